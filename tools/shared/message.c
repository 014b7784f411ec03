#include "message.h"

#include <stdarg.h>
#include <stdio.h>

static const char *command;

void message_command(const char *name) { command = name; }

/* File names and build logs may hold line breaks; the promise is one line. */
static void flatten(char *text)
{
    char *to = text;
    for (const char *from = text; *from; from++) {
        const bool control = (unsigned char)*from < ' ' || *from == 127;
        if (!control) {
            *to++ = *from;
        } else if (to > text && to[-1] != ' ') {
            *to++ = ' ';
        }
    }
    while (to > text && to[-1] == ' ') {
        to--;
    }
    *to = '\0';
}

static void say(const char *format, va_list args)
{
    char text[6000]; /* holds the library's longest error text */
    vsnprintf(text, sizeof text, format, args);
    flatten(text);
    fflush(stdout);
    fprintf(stderr, "clattn%s%s: %s\n", command ? " " : "", command ? command : "", text);
}

int fail(const char *format, ...)
{
    va_list args;
    va_start(args, format);
    say(format, args);
    va_end(args);
    return EXIT_FAILED;
}

int wrong_usage(const char *format, ...)
{
    va_list args;
    va_start(args, format);
    say(format, args);
    va_end(args);
    return EXIT_USAGE;
}

void note(const char *format, ...)
{
    va_list args;
    va_start(args, format);
    say(format, args);
    va_end(args);
}

bool refuse(reason *why, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    vsnprintf(why->text, sizeof why->text, format, args);
    va_end(args);
    return false;
}
