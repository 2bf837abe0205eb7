// What the kernel does for the first breakpoint that anybody sets.
#pragma once

void prepare_breakpoints(void);
