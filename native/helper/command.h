// The helper's subcommands; each gets its own words and returns an exit code.
#pragma once
#include <stdbool.h>

int conntrack_command(int argc, char **argv);
int garp_command(int argc, char **argv);
int sockets_command(int argc, char **argv);
int reasons_command(int argc, char **argv);
int unrepair_command(int argc, char **argv);
int connect_command(int argc, char **argv);
int blocks_command(int argc, char **argv);
int traces_command(int argc, char **argv);
int tcp_command(int argc, char **argv);
int freeze_command(int argc, char **argv);
int thaw_command(int argc, char **argv);

// One line on stderr; always 1.
int complain(const char *format, ...) __attribute__((format(printf, 1, 2)));
