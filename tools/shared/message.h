/* What the program says when it cannot go on: exactly one line, on stderr. */
#ifndef TOOLS_MESSAGE_H
#define TOOLS_MESSAGE_H

#include <stdbool.h>

#if defined(__GNUC__)
#define PRINTF_LIKE(text, first) __attribute__((format(printf, text, first)))
#else
#define PRINTF_LIKE(text, first)
#endif

enum { EXIT_DONE = 0, EXIT_FAILED = 1, EXIT_USAGE = 2 };

/* The name between "clattn" and the colon; NULL = none. */
void message_command(const char *name);

/* Prints "clattn COMMAND: ..." as one line, line breaks within it made spaces.
 * fail returns EXIT_FAILED.  wrong_usage, for what is wrong with the command
 * line itself, returns EXIT_USAGE. */
int fail(const char *format, ...) PRINTF_LIKE(1, 2);
int wrong_usage(const char *format, ...) PRINTF_LIKE(1, 2);

/* The same for what is worth knowing and no failure. */
void note(const char *format, ...) PRINTF_LIKE(1, 2);

/* Why a reader or writer refused; its caller knows which option was meant. */
typedef struct reason {
    char text[512];
} reason;

/* Writes the reason and returns false, so that "return refuse(...)" reads well. */
bool refuse(reason *why, const char *format, ...) PRINTF_LIKE(2, 3);

#endif /* TOOLS_MESSAGE_H */
