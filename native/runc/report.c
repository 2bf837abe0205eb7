// Says an error where runc would: on stderr, and as a line of --log, which is what containerd shows.
#include "report.h"
#include "json.h"
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

static void log_error(FILE *log, bool as_json, const char *message)
{
	char when[32];
	time_t now = time(NULL);
	struct tm utc;
	strftime(when, sizeof when, "%Y-%m-%dT%H:%M:%SZ", gmtime_r(&now, &utc));
	fputs(as_json ? "{\"level\":\"error\",\"msg\":" : "time=", log);
	if (!as_json) fprintf(log, "\"%s\" level=error msg=", when);
	json_put(log, message);
	if (as_json) fprintf(log, ",\"time\":\"%s\"}", when);
	fputc('\n', log);
}

void report(const invocation *in, const char *format, ...)
{
	char message[2048];
	va_list args;
	va_start(args, format);
	vsnprintf(message, sizeof message, format, args);
	va_end(args);
	fprintf(stderr, "podmotion: %s\n", message);
	FILE *log = in->log ? fopen(in->log, "ae") : NULL;
	if (!log) return;
	char full[2100];
	snprintf(full, sizeof full, "podmotion: %s", message);
	log_error(log, in->log_format && !strcmp(in->log_format, "json"), full);
	fclose(log);
}
