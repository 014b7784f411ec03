/* The version that clattn/base.h tells, in numbers and in words, is that of meson.build, and of the
 * library linked. */
#include <clattn/base.h>

#include <stdio.h>
#include <string.h>

int main(void)
{
    char numbers[64];
    snprintf(numbers, sizeof numbers, "%d.%d.%d", CLATTN_VERSION_MAJOR, CLATTN_VERSION_MINOR,
             CLATTN_VERSION_PATCH);
    if (strcmp(numbers, PROJECT_VERSION) != 0 || strcmp(CLATTN_VERSION_STRING, numbers) != 0) {
        fprintf(stderr, "meson.build says %s, clattn/base.h %s and %s\n", PROJECT_VERSION, numbers,
                CLATTN_VERSION_STRING);
        return 1;
    }
    const int major = CLATTN_VERSION / 10000, minor = CLATTN_VERSION / 100 % 100;
    snprintf(numbers, sizeof numbers, "%d.%d.%d", major, minor, CLATTN_VERSION % 100);
    if (strcmp(numbers, PROJECT_VERSION) != 0 || clattn_version() != CLATTN_VERSION) {
        fprintf(stderr, "CLATTN_VERSION is %d, the library's %d\n", CLATTN_VERSION,
                clattn_version());
        return 1;
    }
    return 0;
}
