# Makes C string literals of the lines of a text.
s/[\\"]/\\&/g
s/.*/"&\\n"/
