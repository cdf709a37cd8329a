/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "records.h"

static const size_t record_bytes[_RECORD_MAX] = {
        [RECORD_PULSE] = sizeof(PulseRecord),
        [RECORD_CONFIG] = sizeof(Config),
        [RECORD_JOURNAL] = sizeof(JournalRecord),
        [RECORD_PARTITION ... _RECORD_MAX - 1] = sizeof(PartitionRecord),
};

const StateLayout records_layout = {record_bytes, _RECORD_MAX};
