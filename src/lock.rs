//! A lock for the slow paths: `std`'s mutex, or a spinning one where there is no `std`.
//!
//! What it guards stays consistent at every point where a holder could unwind, so a poisoned
//! mutex is entered all the same.

#[cfg(feature = "std")]
mod chosen {
    use std::sync::{MutexGuard, PoisonError};

    #[derive(Debug, Default)]
    pub(crate) struct Lock<T>(std::sync::Mutex<T>);

    impl<T> Lock<T> {
        pub(crate) const fn new(value: T) -> Self {
            Self(std::sync::Mutex::new(value))
        }

        pub(crate) fn lock(&self) -> MutexGuard<'_, T> {
            self.0.lock().unwrap_or_else(PoisonError::into_inner)
        }
    }
}

#[cfg(not(feature = "std"))]
mod chosen {
    use core::cell::UnsafeCell;
    use core::ops::{Deref, DerefMut};
    use core::sync::atomic::{AtomicBool, Ordering};

    /// Spins until the holder is done. The holders in this crate hold it for a few instructions
    /// and one small allocation.
    pub(crate) struct Lock<T> {
        taken: AtomicBool,
        /// Invariant: touched only by whoever set `taken`.
        value: UnsafeCell<T>,
    }

    // SAFETY: `taken` lets one thread at a time at the value, which may itself change threads,
    // and a guard's reference may be shared with others.
    unsafe impl<T: Send + Sync> Sync for Lock<T> {}

    impl<T> Lock<T> {
        pub(crate) const fn new(value: T) -> Self {
            Self {
                taken: AtomicBool::new(false),
                value: UnsafeCell::new(value),
            }
        }

        pub(crate) fn lock(&self) -> Guard<'_, T> {
            while self
                .taken
                .compare_exchange_weak(false, true, Ordering::Acquire, Ordering::Relaxed)
                .is_err()
            {
                core::hint::spin_loop();
            }
            Guard(self)
        }
    }

    /// Holds the lock until it is dropped.
    pub(crate) struct Guard<'a, T>(&'a Lock<T>);

    impl<T> Deref for Guard<'_, T> {
        type Target = T;

        fn deref(&self) -> &T {
            // SAFETY: this guard is the only one, so nobody else has a reference.
            unsafe { &*self.0.value.get() }
        }
    }

    impl<T> DerefMut for Guard<'_, T> {
        fn deref_mut(&mut self) -> &mut T {
            // SAFETY: this guard is the only one and is itself borrowed mutably.
            unsafe { &mut *self.0.value.get() }
        }
    }

    impl<T> Drop for Guard<'_, T> {
        fn drop(&mut self) {
            self.0.taken.store(false, Ordering::Release);
        }
    }
}

pub(crate) use chosen::Lock;
