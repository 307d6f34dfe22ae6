// The bit stream of docs/protocol.md, least significant bit first: the twin of arena_wire::bits.

/** Why bytes are not a message; `field` names where they go wrong. */
export class DecodeError extends Error {
  constructor(field, what) {
    super(`${field}: ${what}`);
    this.name = "DecodeError";
    this.field = field;
  }
}

const utf8 = new TextEncoder();
const strict = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });

/** Writes fields one after the other. */
export class BitWriter {
  #bytes = [];
  #pending = 0;
  #count = 0;

  /** Writes the low `width` bits of `value`, 0 to 32. */
  bits(value, width) {
    for (let left = width, rest = value >>> 0; left > 0; ) {
      const take = Math.min(8 - this.#count, left);
      this.#pending |= (rest & ((1 << take) - 1)) << this.#count;
      rest >>>= take;
      this.#count += take;
      left -= take;
      if (this.#count === 8) { this.#bytes.push(this.#pending); this.#pending = 0; this.#count = 0; }
    }
  }

  /** Writes a length and the UTF-8 bytes of `text`, cut between characters to at most `max` bytes. */
  text(text, max) {
    let bytes = utf8.encode(text);
    if (bytes.length > max) {
      let end = max;
      while (end > 0 && (bytes[end] & 0xc0) === 0x80) end -= 1;
      bytes = bytes.subarray(0, end);
    }
    this.bits(bytes.length, 16);
    for (const byte of bytes) this.bits(byte, 8);
  }

  /** Pads the last byte with zeros and returns the stream. */
  finish() {
    if (this.#count > 0) this.#bytes.push(this.#pending);
    return Uint8Array.from(this.#bytes);
  }
}

/** Reads fields one after the other; throws a DecodeError where bytes end or make no sense. */
export class BitReader {
  #position = 0;

  constructor(bytes) { this.bytes = bytes; }

  /** The bits that are left, the padding of the last byte among them. */
  get left() { return this.bytes.length * 8 - this.#position; }

  /** Reads `width` bits, 0 to 32, as an unsigned number. */
  bits(width, field) {
    if (width > this.left) throw new DecodeError(field, "the bytes end inside");
    let value = 0;
    for (let read = 0; read < width; ) {
      const at = this.#position >>> 3, offset = this.#position & 7;
      const take = Math.min(8 - offset, width - read);
      value += ((this.bytes[at] >>> offset) & ((1 << take) - 1)) * 2 ** read;
      this.#position += take;
      read += take;
    }
    return value;
  }

  bit(field) { return this.bits(1, field) === 1; }
  u8(field) { return this.bits(8, field); }
  u16(field) { return this.bits(16, field); }
  u32(field) { return this.bits(32, field); }

  /** Reads a two's complement number of `width` bits, 1 to 32. */
  signed(width, field) {
    const value = this.bits(width, field);
    return value >= 2 ** (width - 1) ? value - 2 ** width : value;
  }

  /** Reads the Elias gamma code of a number and one. */
  gamma(field) {
    let low = 0;
    while (!this.bit(field)) if (++low > 31) throw new DecodeError(field, "32 zeros");
    return 2 ** low + this.bits(low, field) - 1;
  }

  /** Reads a byte that is 0 or 1. */
  flag(field) {
    const value = this.u8(field);
    if (value > 1) throw new DecodeError(field, `cannot be ${value}`);
    return value === 1;
  }

  /** Reads a 16-bit length or count, at most `max`. */
  count(max, field) {
    const count = this.u16(field);
    if (count > max) throw new DecodeError(field, `has length ${count}, the limit is ${max}`);
    return count;
  }

  /** Reads a text of at most `max` bytes. */
  text(max, field) {
    const count = this.count(max, field);
    if (count * 8 > this.left) throw new DecodeError(field, "the bytes end inside");
    const bytes = new Uint8Array(count);
    for (let i = 0; i < count; i += 1) bytes[i] = this.u8(field);
    try {
      return strict.decode(bytes);
    } catch {
      throw new DecodeError(field, "is not UTF-8");
    }
  }

  /** Reads a list of at most `max` entries with `read`. */
  list(max, field, read) {
    return Array.from({ length: this.count(max, field) }, read);
  }

  /** Returns the bytes after the one that was read last; the bits up to it must be zero. */
  rest() {
    if (this.bits(this.left % 8, "padding") !== 0) throw new DecodeError("padding", "is not zero");
    return this.bytes.subarray(this.#position / 8);
  }

  /** Ends the message: nothing but zero bits up to the byte may follow. */
  finish() {
    if (this.left >= 8) throw new DecodeError("end", `${this.left >>> 3} bytes follow`);
    if (this.bits(this.left, "padding") !== 0) throw new DecodeError("padding", "is not zero");
  }
}
