// What the proxy changes in runc's request to criu, and the answers that it gives in runc's place.
#pragma once
#include "protobuf.h"
#include <sys/types.h>

// criu_req.type; 0 when unreadable.
unsigned request_type(bytes request);
// The request as criu should see it; RUNC is the process that opened the descriptors it names. False when unreadable.
bool adapt_request(buffer *out, bytes request, pid_t runc);
// The script's name of a NOTIFY response, and its pid (0 when none); false when it is something else.
bool read_notify(bytes response, char *script, size_t size, int *pid);
void put_refusal(buffer *out);
void put_failed_response(buffer *out, unsigned type);
