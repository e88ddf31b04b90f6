//! ENet's compressor alone, without a host.

use crate::ffi;
use core::ffi::c_void;
use core::ptr::NonNull;

/// C ENet's range coder (`enet_range_coder_create`).
#[derive(Debug)]
pub struct RangeCoder(NonNull<c_void>);

impl Default for RangeCoder {
    fn default() -> Self {
        Self::new()
    }
}

impl RangeCoder {
    /// A coder.
    ///
    /// # Panics
    /// If there is no memory left.
    #[must_use]
    pub fn new() -> Self {
        // SAFETY: no preconditions.
        let context = unsafe { ffi::enet_range_coder_create() };
        Self(NonNull::new(context).expect("malloc succeeds"))
    }

    /// Compresses `input`, which is not empty, into `output`; gives the length, 0 if it does not fit.
    pub fn compress(&mut self, input: &[u8], output: &mut [u8]) -> usize {
        assert!(
            !input.is_empty(),
            "C ENet reads out of bounds on an empty buffer"
        );
        let buffer = ffi::Buffer {
            data: input.as_ptr().cast_mut().cast(),
            data_length: input.len(),
        };
        // SAFETY: one buffer that is valid for the call and only read; `output` is as long as stated.
        unsafe {
            ffi::enet_range_coder_compress(
                self.0.as_ptr(),
                &buffer,
                1,
                input.len(),
                output.as_mut_ptr(),
                output.len(),
            )
        }
    }

    /// The reverse; 0 for what makes no sense or does not fit.
    pub fn decompress(&mut self, input: &[u8], output: &mut [u8]) -> usize {
        // SAFETY: both slices are as long as stated, and the first is only read.
        unsafe {
            ffi::enet_range_coder_decompress(
                self.0.as_ptr(),
                input.as_ptr(),
                input.len(),
                output.as_mut_ptr(),
                output.len(),
            )
        }
    }
}

impl Drop for RangeCoder {
    fn drop(&mut self) {
        // SAFETY: made by `enet_range_coder_create`, and not destroyed before.
        unsafe { ffi::enet_range_coder_destroy(self.0.as_ptr()) };
    }
}
