// CNI errors: one JSON document on stdout.
#include "error.h"
#include "json.h"
#include <stdarg.h>
#include <stdio.h>

_Bool fail(int code, const char *format, ...)
{
	char message[1024];
	va_list args;
	va_start(args, format);
	vsnprintf(message, sizeof message, format, args);
	va_end(args);
	printf("{\"cniVersion\":\"1.0.0\",\"code\":%d,\"msg\":", code);
	char full[1100];
	snprintf(full, sizeof full, "podmotion-cni: %s", message);
	json_put(stdout, full);
	puts("}");
	return 0;
}
