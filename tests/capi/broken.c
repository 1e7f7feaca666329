/* Breaks rules three times. What is behind "In" is the function that the report has to name for a line. */

#include "portable_bstr.h"

#include <stdio.h>

static void forget(void) {
    static const OLECHAR text[] = {'f', 'o', 'r', 'g', 'o', 't', 't', 'e', 'n', 0};
    SysAllocString(text); /* In forget */
    SysAllocString(text); /* In forget */
}

static void free_twice(void) {
    static const OLECHAR text[] = {'f', 'r', 'e', 'e', 'd', 0};
    BSTR string = portable_SysAllocString(text); /* In free_twice */
    SysFreeString(string);                       /* In free_twice */
    portable_SysFreeString(string);              /* In free_twice */
}

int main(void) {
    forget();
    free_twice();
    printf("to be flushed");
    return 0;
}
