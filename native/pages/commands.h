// The subcommands; each gets its own words (without its name) and returns an exit code.
#pragma once

int track_main(int argc, char **argv);
int lend_main(int argc, char **argv);
int store_main(int argc, char **argv);
