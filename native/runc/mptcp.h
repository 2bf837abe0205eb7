// MPTCP off in a pod's own network namespace.
#pragma once

// NETWORK: the file that stands for the namespace.
void forbid_mptcp(const char *network);
