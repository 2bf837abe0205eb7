// How the tracker shares the processor with the program that it copies. Both keep it as it is where the kernel would not let it be raised again.
#pragma once

// The program runs: copying takes what is left.
void give_way(void);
// Something stands still until we have finished: as it was at the start.
void come_first(void);
