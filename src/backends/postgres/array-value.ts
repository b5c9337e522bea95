/** Types of elements by their number in PostgreSQL's catalogue (https://www.postgresql.org/docs/current/catalog-pg-type.html). */
const SMALLINT = 21;
const INTEGER = 23;
const BIGINT = 20;
const TEXT = 25;
/** Dimensions, whether there are NULLs, the type of the elements, how many of them, the first index; each in four bytes. */
const HEAD = 20;
const LENGTH = 4;
const NULL_LENGTH = -1;
const TWO_TO_32 = 4_294_967_296;

/** Arrays as the server has them in memory: neither side has to quote and to unquote what is in them. */
export function smallints(numbers: readonly number[]): Buffer {
  return fixed(SMALLINT, 2, numbers, (into, number, at) => into.writeInt16BE(number, at));
}

export function integers(numbers: readonly number[]): Buffer {
  return fixed(INTEGER, 4, numbers, (into, number, at) => into.writeInt32BE(number, at));
}

/** Safe integers. */
export function bigints(numbers: readonly number[]): Buffer {
  return fixed(BIGINT, 8, numbers, (into, number, at) => {
    into.writeInt32BE(Math.floor(number / TWO_TO_32), at);
    into.writeInt32BE(number | 0, at + 4);
  });
}

export function texts(values: readonly (string | null)[]): Buffer {
  let size = HEAD;
  for (const value of values) size += LENGTH + (value === null ? 0 : Buffer.byteLength(value));
  const array = headed(TEXT, values.length, size, values.includes(null));
  let at = HEAD;
  for (const value of values) {
    const length = value === null ? NULL_LENGTH : array.write(value, at + LENGTH);
    array.writeInt32BE(length, at);
    at += LENGTH + Math.max(0, length);
  }
  return array;
}

function fixed(
  type: number,
  width: number,
  numbers: readonly number[],
  write: (into: Buffer, number: number, at: number) => void,
): Buffer {
  const array = headed(type, numbers.length, HEAD + numbers.length * (LENGTH + width), false);
  let at = HEAD;
  for (const number of numbers) {
    array.writeInt32BE(width, at);
    write(array, number, at + LENGTH);
    at += LENGTH + width;
  }
  return array;
}

function headed(type: number, count: number, size: number, nulls: boolean): Buffer {
  const array = Buffer.allocUnsafe(size);
  array.writeInt32BE(1, 0);
  array.writeInt32BE(nulls ? 1 : 0, 4);
  array.writeInt32BE(type, 8);
  array.writeInt32BE(count, 12);
  array.writeInt32BE(1, 16);
  return array;
}
