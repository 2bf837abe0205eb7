// Carries messages between runc and criu, stopping at the gate.
#pragma once

// Serves the socketpair that runc gave us; the exit code.
int relay(int runc_socket);
