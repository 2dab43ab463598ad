// Attempts with sockets of every family, and with services of the host.
#include "probe.h"
#include <arpa/inet.h>
#include <stddef.h>
#include <sys/socket.h>
#include <sys/un.h>

// sockets takes the name of an abstract socket and a TCP port of the host.
void sockets(char **args) {
	struct sockaddr_un un = {.sun_family = AF_UNIX};
	strncpy(un.sun_path + 1, args[0], sizeof un.sun_path - 2);
	int fd = socket(AF_UNIX, SOCK_STREAM, 0);
	outcome(result(connect(fd, (struct sockaddr *)&un, offsetof(struct sockaddr_un, sun_path) + 1 + strlen(args[0]))), "services/abstract");
	close(fd);
	struct sockaddr_in in = {.sin_family = AF_INET, .sin_port = htons(atoi(args[1])), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	fd = socket(AF_INET, SOCK_STREAM, 0);
	outcome(result(connect(fd, (struct sockaddr *)&in, sizeof in)), "services/loopback");
	close(fd);
	for (int family = 0; family < 47; family++) {
		for (int type = 1; type < 6; type++) {
			fd = socket(family, type, type == SOCK_RAW && family == AF_INET ? IPPROTO_ICMP : 0);
			if (fd >= 0)
				outcome(0, "families/%d/%d", family, type);
			close(fd);
			static long args[3];
			args[0] = family, args[1] = type, args[2] = 0;
			if ((fd = call32(102, 1, (long)args, 0, 0, 0, 0)) >= 0) // socketcall
				outcome(0, "families/32bit/socketcall/%d/%d", family, type);
			close(fd);
			if ((fd = call32(359, family, type, 0, 0, 0, 0)) >= 0)
				outcome(0, "families/32bit/socket/%d/%d", family, type);
			close(fd);
			static int pair[2];
			if (family == AF_UNIX && socketpair(family, type, 0, pair) == 0)
				outcome(0, "families/%d/%d/pair", family, type);
		}
	}
}
