#include "case_list.h"
#include "check/check.h"
#include "message.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

bool case_choice_sensible(const case_choice *choice)
{
    if ((choice->file != NULL) + (choice->line != NULL) + choice->smoke > 1) {
        wrong_usage("CASES, --case and --smoke exclude each other");
        return false;
    }
    if (choice->op && !check_op_named(choice->op)) {
        char names[256];
        wrong_usage("--op: there is no operation '%s' (%s)", choice->op,
                    check_op_names(names, sizeof names));
        return false;
    }
    return true;
}

/* The text of a case file; the caller frees. */
static char *read_file(const char *path)
{
    enum { MOST = 1 << 20 };
    FILE *file = fopen(path, "rb");
    char *text = file ? calloc(1, MOST) : NULL;
    const bool read = text && fread(text, 1, MOST - 1, file) < MOST - 1 && !ferror(file);
    if (!read) {
        fail("%s: %s", path, file && text && !ferror(file) ? "too long" : strerror(errno));
        free(text);
        text = NULL;
    }
    if (file) {
        fclose(file);
    }
    return text;
}

static bool add(case_list *list, const case_choice *choice, const char *text)
{
    char why[256];
    chosen_case *longer = realloc(list->items, (list->count + 1) * sizeof *longer);
    if (!longer) {
        fail("out of memory");
        return false;
    }
    list->items = longer;
    chosen_case *item = &longer[list->count];
    snprintf(item->line, sizeof item->line, "%s", text);
    if (!case_parse(text, choice->op, &item->c, why, sizeof why)) {
        fail("%s: %s", choice->file ? choice->file : "--case", why);
        return false;
    }
    list->count += !choice->op || strcmp(choice->op, item->c.op) == 0;
    return true;
}

static bool add_lines(case_list *list, const case_choice *choice, const char *file)
{
    char text[1024];
    while (*file) {
        const size_t length = strcspn(file, "\n");
        const size_t words = strcspn(file, "#\r\n");
        snprintf(text, sizeof text, "%.*s", (int)words, file);
        file += length + (file[length] == '\n');
        if (text[strspn(text, " \t")] != '\0' && !add(list, choice, text)) {
            return false;
        }
    }
    return true;
}

bool case_list_read(case_list *list, const case_choice *choice, const char *own)
{
    *list = (case_list){NULL, 0};
    char *text = choice->file ? read_file(choice->file) : NULL;
    bool done = text || !choice->file;
    if (done && choice->line) {
        done = add(list, choice, choice->line);
    } else if (done) {
        done = add_lines(list, choice, text ? text : check_cases(choice->smoke ? "smoke" : own));
    }
    free(text);
    if (done && list->count == 0) {
        fail("no case ran: there is none of that name");
        done = false;
    }
    if (!done) {
        case_list_free(list);
    }
    return done;
}

void case_list_free(case_list *list)
{
    free(list->items);
    *list = (case_list){NULL, 0};
}
