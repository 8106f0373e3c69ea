// Money as the exact decimal strings it comes in: added and shown to the last digit, never as a float.

/** The server counts picodollars. */
const DIGITS = 12;

function units(exact: string): bigint {
  const [, whole, fraction = ''] = /^(\d+)(?:\.(\d+))?$/.exec(exact) ?? [];
  return whole === undefined ? 0n : BigInt(whole + fraction.padEnd(DIGITS, '0').slice(0, DIGITS));
}

export function sum(exact: readonly string[]): string {
  const digits = exact
    .reduce((total, each) => total + units(each), 0n)
    .toString()
    .padStart(DIGITS + 1, '0');
  const fraction = digits.slice(-DIGITS).replace(/0+$/, '');
  return digits.slice(0, -DIGITS) + (fraction && `.${fraction}`);
}

/** "1234.5000001" → "$1,234.5000001". */
export function exactDollars(exact: string, locale: string): string {
  const money = new Intl.NumberFormat(locale, { style: 'currency', currency: 'USD', minimumFractionDigits: 2, maximumFractionDigits: DIGITS });
  return money.format(exact as Intl.StringNumericLiteral);
}
