//! What a decoder accepts at most: [`Limits`].

/// Bounds on one decoded value. Breaking one is a typed error; nothing is kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Limits {
    /// Arrays and dictionaries inside each other, the outermost counted. Keys count like values. Default 64; beyond
    /// 1,024 the engine's own rule holds, that no value lies inside more than 1,024 containers.
    pub depth: usize,
    /// Elements of all arrays, entries of all dictionaries and strings of all packed string arrays together.
    /// Default 65,536.
    pub elements: usize,
    /// Bytes that one value may take on the wire, or as text. Default 1 MiB. Decoded memory is at most 16 times that.
    pub bytes: usize,
    /// Names and property names of one node path together. Default 256.
    pub path_names: usize,
    /// Bytes of all names of one node path together. Default 1,024.
    pub path_bytes: usize,
}

impl Limits {
    /// The hardened limits, which are the default.
    #[must_use]
    pub const fn new() -> Self {
        Self {
            depth: 64,
            elements: 65_536,
            bytes: 1 << 20,
            path_names: 256,
            path_bytes: 1024,
        }
    }

    /// The engine's own limits: values inside at most 1,024 containers, and otherwise what the input can hold. For trusted input and for
    /// comparison with Godot.
    #[must_use]
    pub const fn reference() -> Self {
        Self {
            depth: 1025,
            elements: i32::MAX as usize,
            bytes: i32::MAX as usize,
            path_names: i32::MAX as usize,
            path_bytes: i32::MAX as usize,
        }
    }
}

impl Default for Limits {
    fn default() -> Self {
        Self::new()
    }
}
