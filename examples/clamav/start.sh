#!/bin/sh
# What the container runs: signatures, then clamd, then c-icap. It ends when c-icap does.
set -eu
chown clamav:clamav /var/lib/clamav
[ -e /var/lib/clamav/daily.cvd ] || [ -e /var/lib/clamav/daily.cld ] || freshclam --stdout
freshclam --daemon --stdout &
clamd
exec c-icap -N -D
