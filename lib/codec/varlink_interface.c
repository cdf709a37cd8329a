/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* The texts that introspection shows. That of io.diskbrake is its file, made into literals by the build. */

#include "varlink.h"

const char varlink_interface_text[] =
#include "io.diskbrake.varlink.inc"
        ;

const char varlink_service_text[] =
        "# What every Varlink service can be asked.\n"
        "interface org.varlink.service\n"
        "\n"
        "# Who made the service, and what interfaces it has.\n"
        "method GetInfo() -> (\n"
        "  vendor: string,\n"
        "  product: string,\n"
        "  version: string,\n"
        "  url: string,\n"
        "  interfaces: []string\n"
        ")\n"
        "\n"
        "# The text that describes an interface.\n"
        "method GetInterfaceDescription(interface: string) -> (description: string)\n"
        "\n"
        "error InterfaceNotFound (interface: string)\n"
        "error MethodNotFound (method: string)\n"
        "error MethodNotImplemented (method: string)\n"
        "error InvalidParameter (parameter: string)\n"
        "error PermissionDenied ()\n"
        "error ExpectedMore ()\n";
