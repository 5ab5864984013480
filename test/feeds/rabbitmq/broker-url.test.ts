import { describe, expect, test } from 'vitest';
import { parseBrokerUrl } from '../../../src/feeds/rabbitmq/broker-url.ts';

describe('the address of a broker', () => {
  test.each([
    {
      url: 'amqp://rabbitmq.example',
      is: {
        protocol: 'amqp',
        hostname: 'rabbitmq.example',
        port: 5672,
        vhost: '%2F',
        username: 'guest',
        password: 'guest',
      },
      text: 'amqp://rabbitmq.example:5672',
    },
    {
      url: 'amqps://feed:p%40ss%3F@rabbitmq.example:5673/security%2Ffeed\n',
      is: { protocol: 'amqps', port: 5673, vhost: 'security%2Ffeed', username: 'feed', password: 'p@ss?' },
      text: 'amqps://rabbitmq.example:5673/security%2Ffeed',
    },
    {
      url: 'amqps://[2001:db8::1]/',
      is: { hostname: '2001:db8::1', port: 5671, vhost: '%2F' },
      text: 'amqps://[2001:db8::1]:5671',
    },
    { url: 'amqp://feed:@h', is: { username: 'feed', password: '' }, text: 'amqp://h:5672' },
  ])('$text', ({ url, is, text }) => {
    expect(parseBrokerUrl(url)).toMatchObject({ ...is, text });
  });

  test.each([
    'amqp://feed:secret77@',
    'http://feed:secret77@h',
    'secret77',
    'amqp://feed:secret77?x=y@h',
    'amqp://feed:secret77#@h',
    'amqp://feed:secret77%zz@h',
    'amqp://feed:secret77@h:99999',
  ])('%s is refused without a word of what is in it', (url) => {
    expect(() => parseBrokerUrl(url)).toThrow(expect.objectContaining({ code: 'ICAPGW_FEED_BROKER' }));
    expect(() => parseBrokerUrl(url)).not.toThrow(/secret77/);
  });
});
