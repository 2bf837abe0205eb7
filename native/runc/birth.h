// A pod is attached point-to-point before anything runs in it, so that a move never changes how its packets travel inside a node.
#pragma once

// NETWORK: the file that stands for the sandbox's namespace, which its CNI plugins have set up. Where something is not as known, the pod stays on the
// bridge: its start never fails by this.
void attach_at_birth(const char *network);
