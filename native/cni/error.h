// CNI errors: one JSON document on stdout.
#pragma once

// 4 and 6 are the specification's; 100 and above are ours.
enum { CNI_BAD_ENVIRONMENT = 104, CNI_BAD_CONFIG = 106, CNI_IO = 105, CNI_AWAITED_FILE = 110, CNI_NETWORK = 111, CNI_RECORD = 112 };

// Always false, so that a step can end with it.
_Bool fail(int code, const char *format, ...) __attribute__((format(printf, 2, 3)));
