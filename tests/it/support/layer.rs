//! A real layer: a tar archive with one file, in gzip. Written by hand (stored, not compressed) so
//! that the bytes never change with a library's version.

/// A layer and the digest input of its uncompressed form.
#[derive(Debug, Clone)]
pub struct Layer {
    /// The tar archive.
    pub tar: Vec<u8>,
    /// The same in gzip: the blob.
    pub gzip: Vec<u8>,
}

/// One file with this content.
pub fn layer(name: &str, content: &[u8]) -> Layer {
    let tar = tar(name, content);
    let gzip = gzip(&tar);
    Layer { tar, gzip }
}

/// POSIX ustar: one header, the content, two empty blocks.
fn tar(name: &str, content: &[u8]) -> Vec<u8> {
    let mut head = [0_u8; 512];
    let mut put =
        |at: usize, text: &str| head[at..at + text.len()].copy_from_slice(text.as_bytes());
    put(0, name);
    put(100, "0000644\0");
    put(108, "0000000\0");
    put(116, "0000000\0");
    put(124, &format!("{:011o}\0", content.len()));
    put(136, "00000000000\0");
    put(148, "        ");
    put(156, "0");
    put(257, "ustar\x0000");
    let sum: u32 = head.iter().map(|b| u32::from(*b)).sum();
    head[148..156].copy_from_slice(format!("{sum:06o}\0 ").as_bytes());
    let padding = (512 - content.len() % 512) % 512;
    [&head, content, &vec![0; padding + 1024]].concat()
}

/// gzip of these bytes: RFC 1952 around RFC 1951 stored blocks.
pub fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut out = vec![0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 255];
    if bytes.is_empty() {
        out.extend_from_slice(&[1, 0, 0, 0xff, 0xff]);
    }
    let mut blocks = bytes.chunks(0xffff).peekable();
    while let Some(block) = blocks.next() {
        let length = u16::try_from(block.len()).expect("a block of at most 64 KiB");
        out.push(u8::from(blocks.peek().is_none()));
        out.extend_from_slice(&length.to_le_bytes());
        out.extend_from_slice(&(!length).to_le_bytes());
        out.extend_from_slice(block);
    }
    out.extend_from_slice(&crc32(bytes).to_le_bytes());
    out.extend_from_slice(&u32::try_from(bytes.len()).expect("a layer below 4 GiB").to_le_bytes());
    out
}

fn crc32(bytes: &[u8]) -> u32 {
    let table: Vec<u32> = (0..256_u32)
        .map(|n| (0..8).fold(n, |c, _| if c & 1 == 1 { 0xedb8_8320 ^ (c >> 1) } else { c >> 1 }))
        .collect();
    !bytes.iter().fold(!0_u32, |crc, b| table[((crc ^ u32::from(*b)) & 0xff) as usize] ^ (crc >> 8))
}
