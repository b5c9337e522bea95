/** UTF-16 writes the code points above U+FFFF with units that are lower than some below it; lifted, units order as code points do. */
function lifted(unit: number): number {
  return unit >= 0xd800 && unit <= 0xdfff ? unit + 0x10000 : unit;
}

/** Compares by code point, as UTF-8 text compares byte by byte in databases. */
export function compareText(left: string, right: string): number {
  const shared = Math.min(left.length, right.length);
  for (let index = 0; index < shared; index += 1) {
    const difference = lifted(left.charCodeAt(index)) - lifted(right.charCodeAt(index));
    if (difference !== 0) return difference;
  }
  return left.length - right.length;
}
