// Declarations shared by the files of the program probe.
#ifndef PROBE_H
#define PROBE_H

#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/types.h>
#include <sys/wait.h>
#include <unistd.h>

// outcome prints whether the step has a privilege. The id is a path below the
// label of the step. err is the error number of a refusal, 0 if the attempt
// succeeded.
void outcome(int err, const char *format, ...) __attribute__((format(printf, 2, 3)));

// result converts the return value of a C library function to an error number.
int result(long ret);

// call32 makes a system call of the 32-bit ABI. It returns a negative error
// number on an error, -ENOSYS if the kernel does not have this ABI. Pointers must be below 4 GiB: the program is static and
// not position-independent.
long call32(long nr, long a, long b, long c, long d, long e, long f);

// refusal returns err if builders refuse system calls with it, and 0 otherwise.
int refusal(int err);

void calls(char **args);
void device(char **args);
void attempts(char **args);
void process(char **args);
void files(char **args);
void sockets(char **args);
void agent(char **args);
void race(char **args);

#endif
