#include "progress.h"

#include <stdarg.h>
#include <stdio.h>
#include <unistd.h>

bool progress_wanted(const common_options *common)
{
    return !common->quiet && isatty(STDERR_FILENO);
}

void progress_show(bool wanted, double share, const char *format, ...)
{
    enum { WIDTH = 24 };
    char text[512];
    va_list args;
    if (!wanted) {
        return;
    }
    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    const int full = share <= 0 ? 0 : share >= 1 ? WIDTH : (int)(share * WIDTH);
    fprintf(stderr, "\r\033[K[%.*s%.*s] %.90s", full, "########################", WIDTH - full,
            "                        ", text);
    fflush(stderr);
}

void progress_end(bool wanted)
{
    if (wanted) {
        fputs("\r\033[K", stderr);
        fflush(stderr);
    }
}
