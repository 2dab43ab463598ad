#include <stdio.h>

long lines(FILE *f);

int main(int argc, char **argv)
{
	for (int i = 1; i < argc; i++) {
		FILE *f = fopen(argv[i], "r");
		if (!f) {
			perror(argv[i]);
			return 1;
		}
		printf("%ld %s\n", lines(f), argv[i]);
		fclose(f);
	}
	return 0;
}
