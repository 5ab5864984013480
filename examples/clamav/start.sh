#!/bin/sh
# What the container runs: signatures, then clamd, then c-icap. What ends is started again in here, without the other two.
set -eu
chown clamav:clamav /var/lib/clamav
# Left behind by a container that was stopped. c-icap takes any process of that number, here itself, for another c-icap.
rm -f /run/c-icap/c-icap.pid /run/clamav/clamd.ctl
# Without a way out signatures of one's own on the volume will do.
until [ -e /var/lib/clamav/daily.cvd ] || [ -e /var/lib/clamav/daily.cld ] || freshclam --stdout ||
  ls /var/lib/clamav/*.?db >/dev/null 2>&1; do
  sleep 60
done
freshclam --daemon --stdout &
while :; do
  clamd --foreground || true
  rm -f /run/clamav/clamd.ctl
  sleep 5
done &
while :; do
  # c-icap looks for clamd when it starts. Without one it goes on, scans nothing and passes everything.
  until [ -S /run/clamav/clamd.ctl ]; do sleep 1; done
  c-icap -N -D || true
  rm -f /run/c-icap/c-icap.pid
  sleep 1
done
