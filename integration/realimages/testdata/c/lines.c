#include <stdio.h>

long lines(FILE *f)
{
	long n = 0;
	for (int c; (c = getc(f)) != EOF;)
		n += c == '\n';
	return n;
}
