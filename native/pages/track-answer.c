// Answers and errors to the agent.
#include "track-answer.h"
#include "json.h"
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

void answer(const char *format, ...)
{
	va_list args;
	va_start(args, format);
	vprintf(format, args);
	va_end(args);
	putchar('\n');
	fflush(stdout);
}

void stop_with(const char *format, ...)
{
	char text[1024];
	va_list args;
	va_start(args, format);
	vsnprintf(text, sizeof text, format, args);
	va_end(args);
	fputs("{\"error\":", stdout);
	json_put(stdout, text);
	fputs("}\n", stdout);
	fflush(stdout);
	exit(1);
}
