#!/bin/sh
# What the container runs: signatures, then clamd, then c-icap. It ends when c-icap does.
set -eu
chown clamav:clamav /var/lib/clamav
[ -e /var/lib/clamav/daily.cvd ] || [ -e /var/lib/clamav/daily.cld ] || freshclam --stdout
freshclam --daemon --stdout &
clamd
# c-icap looks for clamd when it starts. Without one it goes on, scans nothing and passes everything.
until [ -S /var/run/clamav/clamd.ctl ]; do sleep 1; done
exec c-icap -N -D
