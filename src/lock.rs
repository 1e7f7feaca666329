//! The locks of the slow paths: `std`'s mutex where there is `std`, and a spinning one.
//!
//! What they guard stays consistent at every point where a holder could unwind, so a poisoned
//! mutex is entered all the same.

#[cfg(feature = "std")]
mod chosen {
    use std::sync::{MutexGuard, PoisonError};

    /// `std`'s mutex.
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

    /// Lets another thread at the processor.
    #[cfg(feature = "audit")]
    pub(super) fn wait() {
        std::thread::yield_now();
    }
}

#[cfg(not(feature = "std"))]
mod chosen {
    pub(crate) use super::spin::Spin as Lock;

    /// There is no other thread to be let at the processor that one knew of.
    pub(super) fn wait() {
        core::hint::spin_loop();
    }
}

pub(crate) use chosen::Lock;
#[cfg(feature = "audit")]
pub(crate) use spin::{Guard, Spin};

#[cfg(any(feature = "audit", not(feature = "std")))]
mod spin {
    use core::cell::UnsafeCell;
    use core::ops::{Deref, DerefMut};
    use core::sync::atomic::{AtomicBool, Ordering};

    /// A lock that is had and given back with one atomic exchange and one store: for what is held
    /// for a few instructions, and where a mutex would cost more than what it guards.
    #[derive(Default)]
    pub(crate) struct Spin<T> {
        taken: AtomicBool,
        /// Invariant: touched only by whoever set `taken`.
        value: UnsafeCell<T>,
    }

    // SAFETY: `taken` lets one thread at a time at the value, which may itself change threads,
    // and a guard's reference may be shared with others.
    unsafe impl<T: Send + Sync> Sync for Spin<T> {}

    impl<T> Spin<T> {
        #[cfg(not(feature = "std"))]
        pub(crate) const fn new(value: T) -> Self {
            Self {
                taken: AtomicBool::new(false),
                value: UnsafeCell::new(value),
            }
        }

        #[inline]
        pub(crate) fn lock(&self) -> Guard<'_, T> {
            if self.taken.swap(true, Ordering::Acquire) {
                self.contend();
            }
            Guard(self)
        }

        #[cold]
        fn contend(&self) {
            let mut spins = 0_u32;
            while self.taken.load(Ordering::Relaxed) || self.taken.swap(true, Ordering::Acquire) {
                spins += 1;
                if spins.is_multiple_of(64) {
                    super::chosen::wait();
                }
                core::hint::spin_loop();
            }
        }
    }

    /// Holds the lock until it is dropped.
    pub(crate) struct Guard<'a, T>(&'a Spin<T>);

    impl<T> Deref for Guard<'_, T> {
        type Target = T;

        #[inline]
        fn deref(&self) -> &T {
            // SAFETY: this guard is the only one, so nobody else has a reference.
            unsafe { &*self.0.value.get() }
        }
    }

    impl<T> DerefMut for Guard<'_, T> {
        #[inline]
        fn deref_mut(&mut self) -> &mut T {
            // SAFETY: this guard is the only one and is itself borrowed mutably.
            unsafe { &mut *self.0.value.get() }
        }
    }

    impl<T> Drop for Guard<'_, T> {
        #[inline]
        fn drop(&mut self) {
            self.0.taken.store(false, Ordering::Release);
        }
    }
}

#[cfg(test)]
#[cfg(feature = "audit")]
mod tests {
    use super::Spin;
    use std::thread;

    /// What two threads add at once is lost where both are let in.
    #[test]
    fn a_spinning_lock_lets_one_thread_in_at_a_time() {
        const ROUNDS: u32 = 50;
        let sum = Spin::<u32>::default();
        thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| {
                    for _ in 0..ROUNDS {
                        let mut held = sum.lock();
                        let before = *held;
                        // Time for the others to knock at the door.
                        thread::yield_now();
                        *held = before + 1;
                    }
                });
            }
        });
        assert_eq!(*sum.lock(), 4 * ROUNDS);
    }
}
