/* Every function of the header, by both of its names, from C. Ends with 1 where a check fails. */

#include "portable_bstr.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define CHECK(condition)                                                                           \
    do {                                                                                           \
        if (!(condition)) {                                                                        \
            fprintf(stderr, "%s:%d: %s\n", __FILE__, __LINE__, #condition);                        \
            exit(1);                                                                               \
        }                                                                                          \
    } while (0)

static const OLECHAR READY[] = {'r', 'e', 'a', 'd', 'y', 0};

/* The functions, by one kind of name. */
struct functions {
    BSTR (*alloc)(const OLECHAR *);
    BSTR (*alloc_len)(const OLECHAR *, UINT);
    BSTR (*alloc_byte_len)(const char *, UINT);
    BOOL (*re_alloc)(BSTR *, const OLECHAR *);
    BOOL (*re_alloc_len)(BSTR *, const OLECHAR *, UINT);
    void (*free)(BSTR);
    UINT (*len)(BSTR);
    UINT (*byte_len)(BSTR);
    HRESULT (*add_ref)(BSTR);
    void (*release)(BSTR);
    void (*no_cache)(void);
    HRESULT (*cat)(BSTR, BSTR, BSTR *);
    HRESULT (*cmp)(BSTR, BSTR, LCID, ULONG);
    HRESULT (*from_vector)(const SAFEARRAY *, BSTR *);
    HRESULT (*to_vector)(BSTR, SAFEARRAY **);
    HRESULT (*destroy)(const SAFEARRAY *);
};

static const struct functions OLEAUT32S = {
    SysAllocString,      SysAllocStringLen, SysAllocStringByteLen, SysReAllocString,
    SysReAllocStringLen, SysFreeString,     SysStringLen,          SysStringByteLen,
    SysAddRefString,     SysReleaseString,  SetOaNoCache,          VarBstrCat,
    VarBstrCmp,          BstrFromVector,    VectorFromBstr,        SafeArrayDestroy,
};

static const struct functions OURS = {
    portable_SysAllocString,      portable_SysAllocStringLen, portable_SysAllocStringByteLen,
    portable_SysReAllocString,    portable_SysReAllocStringLen, portable_SysFreeString,
    portable_SysStringLen,        portable_SysStringByteLen,  portable_SysAddRefString,
    portable_SysReleaseString,    portable_SetOaNoCache,      portable_VarBstrCat,
    portable_VarBstrCmp,          portable_BstrFromVector,    portable_VectorFromBstr,
    portable_SafeArrayDestroy,
};

/* By one name made, by the other read and freed. */
static void strings(const struct functions *a, const struct functions *b) {
    static const OLECHAR units[] = {'a', 0, 0xD800};
    BSTR string = a->alloc(READY);
    CHECK(b->len(string) == 5);
    CHECK(memcmp(string, READY, sizeof READY) == 0);
    CHECK(b->re_alloc(&string, READY + 2) == TRUE);
    CHECK(a->byte_len(string) == 6);
    CHECK(b->re_alloc_len(&string, units, 3) == TRUE);
    CHECK(a->len(string) == 3);
    CHECK(memcmp(string, units, sizeof units) == 0 && string[3] == 0);
    b->free(string);

    string = a->alloc_len(units, 3);
    CHECK(b->len(string) == 3 && string[2] == 0xD800 && string[3] == 0);
    CHECK(b->add_ref(string) == S_OK);
    b->free(string);
    CHECK(a->len(string) == 3);
    a->release(string);

    string = a->alloc_byte_len("odd", 3);
    CHECK(b->byte_len(string) == 3 && b->len(string) == 1);
    CHECK(memcmp(string, "odd\0\0\0", 6) == 0);
    b->free(string);

    CHECK(a->alloc(NULL) == NULL);
    CHECK(a->alloc_len(NULL, UINT32_MAX) == NULL);
    CHECK(a->re_alloc(NULL, READY) == FALSE);
    CHECK(a->len(NULL) == 0 && a->byte_len(NULL) == 0);
    a->free(NULL);
}

static void joining_and_comparing(const struct functions *a, const struct functions *b) {
    BSTR left = a->alloc(READY), right = b->alloc_len(READY, 2), both = NULL;
    CHECK(a->cat(left, right, &both) == S_OK);
    CHECK(b->len(both) == 7 && both[5] == 'r' && both[7] == 0);
    CHECK(a->cat(left, right, NULL) == E_INVALIDARG);
    CHECK(a->cmp(right, left, 0, 0) == VARCMP_LT);
    CHECK(a->cmp(left, left, 0, 0) == VARCMP_EQ);
    CHECK(a->cmp(both, left, 0, 0) == VARCMP_GT);
    CHECK(a->cmp(left, left, 0xFFFFFFFF, 0) == E_INVALIDARG);
    b->free(left);
    b->free(right);
    b->free(both);
}

static void arrays(const struct functions *a, const struct functions *b) {
    BSTR string = a->alloc(READY), back = NULL;
    SAFEARRAY *array = NULL;
    CHECK(a->to_vector(string, &array) == S_OK);
    CHECK(array->cDims == 1 && array->cbElements == 1 && array->cLocks == 0);
    CHECK(array->rgsabound[0].cElements == 10 && array->rgsabound[0].lLbound == 0);
    CHECK(memcmp(array->pvData, READY, 10) == 0);
    CHECK(b->from_vector(array, &back) == S_OK);
    CHECK(a->cmp(string, back, 0, 0) == VARCMP_EQ);
    array->cLocks = 1;
    CHECK(b->destroy(array) == DISP_E_ARRAYISLOCKED);
    array->cLocks = 0;
    CHECK(b->destroy(array) == S_OK);
    CHECK(a->from_vector(NULL, &back) == E_INVALIDARG);
    b->free(string);
}

/* A short [in] string of a caller's may have only its length before it. */
static void strings_on_the_stack(const struct functions *a) {
    struct {
        uint32_t bytes;
        OLECHAR data[6];
    } string = {10, {'r', 'e', 'a', 'd', 'y', 0}};
    CHECK(a->len(string.data) == 5);
    CHECK(a->cmp(string.data, string.data, 0, 0) == VARCMP_EQ);
}

/* A block of malloc's is as good as one of ours, and the other way round: .NET relies on it. */
static void blocks_of_malloc(const struct functions *a) {
    uint32_t bytes = sizeof READY - sizeof(OLECHAR);
    char *block = malloc(64);
    char *data = block + sizeof(void *);
    BSTR string;
    memcpy(data - sizeof bytes, &bytes, sizeof bytes);
    memcpy(data, READY, sizeof READY);
    CHECK(a->len((BSTR)(void *)data) == 5);
    a->free((BSTR)(void *)data);

    string = a->alloc(READY);
    free((char *)string - sizeof(void *));
}

int main(void) {
    const struct functions *all[] = {&OLEAUT32S, &OURS};
    int i, j;
    for (i = 0; i < 2; i++) {
        for (j = 0; j < 2; j++) {
            strings(all[i], all[j]);
            joining_and_comparing(all[i], all[j]);
            arrays(all[i], all[j]);
        }
        strings_on_the_stack(all[i]);
        blocks_of_malloc(all[i]);
        all[i]->no_cache();
        strings(all[i], all[i]);
    }
    return 0;
}
