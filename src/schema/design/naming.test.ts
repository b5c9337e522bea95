import { describe, expect, test } from 'vitest';
import { isPast, pastOf } from './english.ts';
import { checkDesign } from './lint.ts';
import type { DesignRuleCode } from './lint.ts';

const GOOD = `
shop.order.placed shop.payment.received shop.stock.reserved retail.large-order.noticed sensors.reading.taken sensors.sensor.lost sensors.alarm.answered sensors.hour.measured
lead-score-changed employee.hired employee.promoted employee.left order.paid email.sent email.bounced meeting.begun message.read password.reset order.split invoice.written-off user.signed-up
user.logged-in parcel.picked-up device.went-offline invoice.became-overdue stock.fell-below-minimum vehicle.entered-zone ticket.won bid.outbid contract.rebound account.overdrawn payment.withheld
crm.contact.created analytics.report.published OrderPlaced order_placed com.example.orders.order-shipped.v2 order.placed.2 refund.requested price.set song.sung file.overwritten order.resent house.built
customer.address-changed request.approved job.finished task.completed process.started check.passed container.unsealed goods.sold-out patient.admitted-to-ward parcel.returned-to-sender temperature.rose-above-limit train.departed-late export.finished orders/order/cancelled
`
  .trim()
  .split(/\s+/);

const BAD: readonly (readonly [type: string, rules: readonly DesignRuleCode[], example: string])[] = [
  ['send-email', ['past-tense', 'business-fact'], 'email.sent'],
  ['create.order', ['past-tense', 'business-fact'], 'order.created'],
  ['order.place', ['past-tense', 'business-fact'], 'order.placed'],
  ['placeOrder', ['past-tense', 'business-fact'], 'order.placed'],
  ['shop.order.update', ['past-tense', 'business-fact'], 'shop.order.updated'],
  ['inventory.reserve-stock', ['past-tense', 'business-fact'], 'inventory.stock.reserved'],
  ['notify-customer', ['past-tense', 'business-fact'], 'customer.notified'],
  ['commands.order.place', ['past-tense', 'business-fact'], 'order.placed'],
  ['reset-password', ['past-tense', 'business-fact'], 'password.reset'],
  ['order.cancel', ['past-tense', 'business-fact'], 'order.cancelled'],
  ['order.submit', ['past-tense', 'business-fact'], 'order.submitted'],
  ['com.example.send-email-requested', ['business-fact'], 'com.example.email.sent'],
  ['commands.order.placed', ['business-fact'], 'order.placed'],
  ['order.payment', ['past-tense'], 'order.paid'],
  ['order.shipping', ['past-tense'], 'order.shipped'],
  ['order.event', ['past-tense'], 'order.placed'],
  ['order-placed-event', ['past-tense'], 'order-placed'],
  ['order.status', ['past-tense'], 'order.status-changed'],
  ['stock.low', ['past-tense'], 'stock.became-low'],
  ['sensor.reading', ['past-tense'], 'sensor.reading.taken'],
  ['employee.need', ['past-tense'], 'employee.need-changed'],
  ['shipment.out-for-delivery', ['past-tense'], 'shipment.delivered'],
  ['news.feed', ['past-tense'], 'news.fed'],
  ['order.completing', ['past-tense'], 'order.completed'],
  ['crm.sync', ['past-tense', 'business-fact', 'consumer-name'], 'which crm listens to'],
  ['email.notify', ['past-tense', 'business-fact', 'consumer-name'], 'which email listens to'],
  ['order.created.for.billing', ['past-tense', 'consumer-name'], 'order.created'],
  [
    'order.sent-to-salesforce.for-sync',
    ['past-tense', 'business-fact', 'consumer-name'],
    'which salesforce listens to',
  ],
  ['salesforce.order-push', ['past-tense', 'business-fact', 'consumer-name'], 'which salesforce listens to'],
  ['shop.order.will-be-sent', ['past-tense'], 'shop.order.sent'],
  ['order.is-being-packed', ['past-tense'], 'order.packed'],
  ['customer.updated', ['generic-change'], 'customer.address-changed'],
  ['user-changed', ['generic-change'], 'address-changed'],
  ['customer.upserted', ['generic-change'], 'customer.registered'],
];

const check = (type: string, more: { consumers?: string[]; publishers?: string[] } = {}) =>
  checkDesign([{ type, version: 1, ...more }]);

describe('what an event is called', () => {
  test.each(GOOD)('%s is a fact', (type) => {
    expect(check(type)).toEqual([]);
  });

  test.each(BAD)('%s breaks %j and could be %s', (type, rules, example) => {
    const findings = check(type);
    expect(findings.map(({ rule }) => rule)).toEqual(rules);
    expect(findings.map((finding) => finding.example).join('\n')).toContain(example);
    for (const { reason, place, version } of findings) {
      expect(reason).toMatch(/^\S.{30,}\.$/);
      expect({ place, version }).toEqual({ place: 'type', version: 1 });
    }
  });

  test('what is proposed in place of no fact is one', () => {
    for (const [type] of BAD) {
      for (const { rule, example } of check(type)) {
        if (rule !== 'past-tense') continue;
        const wrong = check(example.split(/[,:]/, 1)[0] ?? '').filter(({ severity }) => severity === 'error');
        expect(wrong, example).toEqual([]);
      }
    }
  });

  test('says that only a warning of a change of everything', () => {
    expect(check('customer.updated')).toMatchObject([{ rule: 'generic-change', severity: 'warn' }]);
  });

  test.each([
    ['reserve-stock.requested', ['reserve-stock'], true],
    ['shop.reserve-stock.done', ['reserve-stock'], true],
    ['shop.stock.reserved', ['reserve-stock', 'stock'], false],
    ['billing.invoice.sent', ['billing'], false],
    ['order.billing.paid', ['billing'], false],
    ['billing.sync', ['billing'], true],
    ['retail.customer.returned', ['customers', 'days'], false],
    ['crm.sync.finished', ['crm'], true],
    ['shop.stock.counted', ['crm', 'stock'], false],
  ])('%s, with the consumers %j, is named after one of them: %s', (type, consumers, isNamed) => {
    const rules = check(type, { consumers }).map(({ rule }) => rule);
    expect(rules.includes('consumer-name')).toBe(isNamed);
    expect(check(type, { consumers, publishers: consumers }).map(({ rule }) => rule)).not.toContain('consumer-name');
  });
});

test.each([
  ['place', 'placed'],
  ['pay', 'paid'],
  ['ship', 'shipped'],
  ['carry', 'carried'],
  ['deploy', 'deployed'],
  ['cancel', 'cancelled'],
  ['take', 'taken'],
  ['begin', 'begun'],
  ['leave', 'left'],
  ['send', 'sent'],
  ['pick', 'picked'],
  ['train', 'trained'],
])('the past of %s is %s', (verb, past) => {
  expect(pastOf(verb)).toBe(past);
  expect(isPast(past)).toBe(true);
});
