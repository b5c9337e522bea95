/** Whether a number is a whole multiple of another one, as they are written: 0.3 is one of 0.1. */
export function isMultiple(value: number, of: number): boolean {
  if (of === 0) return false;
  const [left, right] = [decimal(value), decimal(of)];
  const places = Math.max(left.places, right.places);
  // Beyond what a double tells apart there is nothing to be shown.
  if (places > 400) return value === 0 || value === of;
  return scaled(left, places) % scaled(right, places) === 0n;
}

interface Decimal {
  readonly digits: bigint;
  /** Of the digits, how many are behind the point. */
  readonly places: number;
}

function decimal(value: number): Decimal {
  const [mantissa = '0', exponent = '0'] = value.toString().split('e');
  const [whole = '0', fraction = ''] = mantissa.split('.');
  const places = fraction.length - Number(exponent);
  const digits = BigInt(whole + fraction);
  return places >= 0 ? { digits, places } : { digits: digits * 10n ** BigInt(-places), places: 0 };
}

function scaled({ digits, places }: Decimal, to: number): bigint {
  return digits * 10n ** BigInt(to - places);
}
