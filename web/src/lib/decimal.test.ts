// Nothing of what was paid is lost by adding or by showing.

import { expect, test } from 'vitest';
import { exactDollars, sum } from './decimal';

test.each([
  [[], '0'],
  [['0.1', '0.2'], '0.3'],
  [['0.000000000001', '9007199254740993'], '9007199254740993.000000000001'],
  [['1.5', '2.50'], '4'],
  [['0.000004', '', 'NaN', '-1'], '0.000004'],
])('%j add up to %s', (exact, total) => expect(sum(exact)).toBe(total));

test('every digit is shown', () => {
  expect(exactDollars('0', 'en')).toBe('$0.00');
  expect(exactDollars('1234567.000004000001', 'en')).toBe('$1,234,567.000004000001');
  expect(exactDollars('0.0000123', 'de').replace(/\s/, ' ')).toBe('0,0000123 $');
});
