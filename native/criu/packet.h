// One SEQPACKET message with the descriptors that travel with it.
#pragma once
#include "protobuf.h"
#include <sys/types.h>

enum { PACKET_FDS = 16 };

typedef struct {
	uint8_t *at;
	size_t length;
	int fds[PACKET_FDS];
	int fd_count;
} packet;

typedef enum { PACKET_NONE, PACKET_READ, PACKET_END } packet_result;

// Never blocks.
packet_result receive_packet(int socket, packet *out);
bool send_packet(int socket, const packet *p);
bool send_message(int socket, bytes message);
void free_packet(packet *p);
bytes packet_bytes(const packet *p);
