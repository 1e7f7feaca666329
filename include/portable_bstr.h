/* BSTR, the string of COM and OLE Automation, where there is no Windows.
 *
 * The functions are those of OLEAUT32. What each does is told at
 * https://learn.microsoft.com/windows/win32/api/oleauto/ and in the crate's documentation. For C99
 * and later, and for C++.
 *
 * A BSTR is NULL, or points to UTF-16 code units with their length before and a NUL behind. Whoever
 * allocates one frees it, but who gets one from a function, by an [out] parameter or as its result,
 * owns it and frees it. NULL is an empty string to every function.
 *
 * Where another header has these types and constants, define PORTABLE_BSTR_OWN_TYPES before this
 * one is included; it then declares the functions alone.
 */
#ifndef PORTABLE_BSTR_H
#define PORTABLE_BSTR_H

#include <stdint.h>

#ifndef PORTABLE_BSTR_OWN_TYPES

/* A UTF-16 code unit, and never wchar_t, whose width depends on the platform and on
 * -fshort-wchar. In C11, u"text" is an array of them; in C++ it takes a cast. */
typedef uint16_t OLECHAR;

typedef OLECHAR *BSTR;
typedef int32_t HRESULT;
typedef int32_t BOOL;
typedef uint32_t UINT;
typedef uint32_t ULONG;
typedef uint32_t LCID;

#ifndef TRUE
#define TRUE 1
#define FALSE 0
#endif

#define S_OK ((HRESULT)0)
#define E_POINTER ((HRESULT)0x80004003)
#define E_OUTOFMEMORY ((HRESULT)0x8007000E)
#define E_INVALIDARG ((HRESULT)0x80070057)
#define DISP_E_TYPEMISMATCH ((HRESULT)0x80020005)
#define DISP_E_ARRAYISLOCKED ((HRESULT)0x8002000D)

/* What VarBstrCmp answers. */
#define VARCMP_LT 0
#define VARCMP_EQ 1
#define VARCMP_GT 2

/* Flags of VarBstrCmp, for locales other than 0. */
#define NORM_IGNORECASE 0x00000001
#define NORM_IGNORENONSPACE 0x00000002
#define NORM_IGNORESYMBOLS 0x00000004
#define NORM_IGNOREKANATYPE 0x00010000
#define NORM_IGNOREWIDTH 0x00020000
#define NORM_IGNOREKASHIDA 0x00040000

typedef struct tagSAFEARRAYBOUND {
    ULONG cElements;
    int32_t lLbound;
} SAFEARRAYBOUND;

/* An array. VectorFromBstr makes one, of bytes. */
typedef struct tagSAFEARRAY {
    uint16_t cDims;
    uint16_t fFeatures;
    ULONG cbElements;
    ULONG cLocks;
    void *pvData;
    SAFEARRAYBOUND rgsabound[1];
} SAFEARRAY;

#endif /* PORTABLE_BSTR_OWN_TYPES */

#if defined(_WIN32) && !defined(_WIN64)
#define PORTABLE_BSTR_CALL __stdcall
#else
#define PORTABLE_BSTR_CALL
#endif

#ifdef __cplusplus
#define PORTABLE_BSTR_THROWS_NOTHING noexcept
extern "C" {
#else
#define PORTABLE_BSTR_THROWS_NOTHING
#endif

/* Declares a function under its own name, which on Windows is OLEAUT32's, and under a name that
 * nobody else has. */
#ifdef _WIN32
#define PORTABLE_BSTR_FUNCTION(result, name, parameters)                                           \
    result PORTABLE_BSTR_CALL portable_##name parameters PORTABLE_BSTR_THROWS_NOTHING
#else
#define PORTABLE_BSTR_FUNCTION(result, name, parameters)                                           \
    result name parameters PORTABLE_BSTR_THROWS_NOTHING;                                           \
    result portable_##name parameters PORTABLE_BSTR_THROWS_NOTHING
#endif

/* A copy of a NUL-terminated string; NULL for NULL, and where there is no memory. */
PORTABLE_BSTR_FUNCTION(BSTR, SysAllocString, (const OLECHAR *psz));

/* A string of ui units, copied from strin, or zero where that is NULL. */
PORTABLE_BSTR_FUNCTION(BSTR, SysAllocStringLen, (const OLECHAR *strin, UINT ui));

/* A string of len bytes, copied from psz as they are, or zero where that is NULL. */
PORTABLE_BSTR_FUNCTION(BSTR, SysAllocStringByteLen, (const char *psz, UINT len));

/* Replace *pbstr. FALSE, and *pbstr as it was, where there is no memory. */
PORTABLE_BSTR_FUNCTION(BOOL, SysReAllocString, (BSTR *pbstr, const OLECHAR *psz));
PORTABLE_BSTR_FUNCTION(BOOL, SysReAllocStringLen, (BSTR *pbstr, const OLECHAR *psz, UINT len));

/* Frees a string that the caller owns. */
PORTABLE_BSTR_FUNCTION(void, SysFreeString, (BSTR bstrstring));

/* The length in UTF-16 code units, and in bytes. */
PORTABLE_BSTR_FUNCTION(UINT, SysStringLen, (BSTR pbstr));
PORTABLE_BSTR_FUNCTION(UINT, SysStringByteLen, (BSTR bstr));

/* Keep a string's memory, though its owner frees it, and let go of it again. */
PORTABLE_BSTR_FUNCTION(HRESULT, SysAddRefString, (BSTR bstrstring));
PORTABLE_BSTR_FUNCTION(void, SysReleaseString, (BSTR bstrstring));

/* Turns the cache of freed strings off. */
PORTABLE_BSTR_FUNCTION(void, SetOaNoCache, (void));

/* Both strings in a new one. What was in *pbstrresult is not freed. */
PORTABLE_BSTR_FUNCTION(HRESULT, VarBstrCat, (BSTR bstrleft, BSTR bstrright, BSTR *pbstrresult));

/* VARCMP_LT, VARCMP_EQ or VARCMP_GT; by bytes where lcid is 0. */
PORTABLE_BSTR_FUNCTION(HRESULT, VarBstrCmp,
                       (BSTR bstrleft, BSTR bstrright, LCID lcid, ULONG dwflags));

/* The bytes of an array as a new string, and those of a string as a new array. */
PORTABLE_BSTR_FUNCTION(HRESULT, BstrFromVector, (const SAFEARRAY *psa, BSTR *pbstr));
PORTABLE_BSTR_FUNCTION(HRESULT, VectorFromBstr, (BSTR bstr, SAFEARRAY **ppsa));

/* Destroys an array of VectorFromBstr's. */
PORTABLE_BSTR_FUNCTION(HRESULT, SafeArrayDestroy, (const SAFEARRAY *psa));

#ifdef __cplusplus
}
#endif

#undef PORTABLE_BSTR_FUNCTION
#undef PORTABLE_BSTR_THROWS_NOTHING
#undef PORTABLE_BSTR_CALL

#endif /* PORTABLE_BSTR_H */
