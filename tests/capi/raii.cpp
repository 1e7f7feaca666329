// A C++ class over the functions, which owns its string. Ends with 1 where a check fails.

#include "portable_bstr.h"

#include <cstdio>
#include <cstdlib>
#include <new>
#include <string_view>
#include <utility>

#define CHECK(condition)                                                                           \
    do {                                                                                           \
        if (!(condition)) {                                                                        \
            std::fprintf(stderr, "%s:%d: %s\n", __FILE__, __LINE__, #condition);                   \
            std::exit(1);                                                                          \
        }                                                                                          \
    } while (0)

// Owns a BSTR.
class Bstr {
public:
    Bstr() noexcept = default;

    explicit Bstr(std::u16string_view text)
        : raw_(SysAllocStringLen(reinterpret_cast<const OLECHAR *>(text.data()),
                                 static_cast<UINT>(text.size()))) {
        if (!raw_) {
            throw std::bad_alloc();
        }
    }

    Bstr(const Bstr &other) : Bstr(other.view()) {}
    Bstr(Bstr &&other) noexcept : raw_(other.detach()) {}

    Bstr &operator=(Bstr other) noexcept {
        std::swap(raw_, other.raw_);
        return *this;
    }

    ~Bstr() { SysFreeString(raw_); }

    // For an [in] parameter.
    BSTR get() const noexcept { return raw_; }

    // For an [out] parameter: frees what is here.
    BSTR *put() noexcept {
        SysFreeString(std::exchange(raw_, nullptr));
        return &raw_;
    }

    // Whoever has it now frees it.
    BSTR detach() noexcept { return std::exchange(raw_, nullptr); }

    std::u16string_view view() const noexcept {
        return {reinterpret_cast<const char16_t *>(raw_), SysStringLen(raw_)};
    }

private:
    BSTR raw_ = nullptr;
};

// An interface as COM has them.
struct IStatusText {
    virtual HRESULT put_StatusText(BSTR text) noexcept = 0;
    virtual HRESULT get_StatusText(BSTR *text) noexcept = 0;

protected:
    ~IStatusText() = default;
};

class Browser final : public IStatusText {
    // Keeps a copy: the caller frees its own.
    HRESULT put_StatusText(BSTR text) noexcept override {
        BSTR copy = SysAllocStringLen(text, SysStringLen(text));
        if (!copy) {
            return E_OUTOFMEMORY;
        }
        *status_.put() = copy;
        return S_OK;
    }

    // Hands a copy out: the caller frees it.
    HRESULT get_StatusText(BSTR *text) noexcept override {
        if (!text) {
            return E_POINTER;
        }
        *text = SysAllocStringLen(status_.get(), SysStringLen(status_.get()));
        return *text ? S_OK : E_OUTOFMEMORY;
    }

    Bstr status_;
};

int main() {
    Browser browser;
    IStatusText &status = browser;
    Bstr ready(u"ready \u2713"), got;
    CHECK(status.put_StatusText(ready.get()) == S_OK);
    CHECK(status.get_StatusText(nullptr) == E_POINTER);
    for (int i = 0; i < 3; i++) {
        CHECK(status.get_StatusText(got.put()) == S_OK);
        CHECK(got.view() == u"ready \u2713" && got.get() != ready.get());
    }

    Bstr copy = got;
    Bstr moved = std::move(got);
    CHECK(copy.view() == moved.view() && copy.get() != moved.get() && got.get() == nullptr);
    CHECK(SysReAllocStringLen(moved.put(), nullptr, 3) == TRUE);
    CHECK(moved.view().size() == 3);
    moved = copy;
    CHECK(VarBstrCat(copy.get(), moved.get(), got.put()) == S_OK);
    CHECK(got.view() == u"ready \u2713ready \u2713");

    // No declaration lets an exception out.
    static_assert(noexcept(SysAllocString(nullptr)) && noexcept(portable_SysFreeString(nullptr)));
    return 0;
}
