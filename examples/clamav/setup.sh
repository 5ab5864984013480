#!/bin/sh
# From a plain Debian to a c-icap that scans with ClamAV on port 1344 of this machine. Run it as root; twice does no harm.
set -eu
cd "$(dirname "$0")"

apt-get update
apt-get install -y --no-install-recommends c-icap libc-icap-mod-virus-scan clamav-daemon clamav-freshclam

cp icapgw-scan.conf /etc/c-icap/icapgw-scan.conf
grep -q '^Include icapgw-scan.conf' /etc/c-icap/c-icap.conf || echo 'Include icapgw-scan.conf' >>/etc/c-icap/c-icap.conf
# Debian's c-icap listens on every address. Nobody but icapgw has to reach it.
sed -i 's/^Port 1344$/Port 127.0.0.1:1344/' /etc/c-icap/c-icap.conf
sed -i 's/^START=no/START=yes/' /etc/default/c-icap

# clamd does not start without signatures; the first ones are 300 MB and more.
service clamav-freshclam stop || true
[ -e /var/lib/clamav/daily.cvd ] || [ -e /var/lib/clamav/daily.cld ] || freshclam
service clamav-freshclam start
service clamav-daemon restart

# c-icap looks for clamd when it starts. Without one it goes on, scans nothing and passes everything.
waited=0
until [ -S /var/run/clamav/clamd.ctl ]; do
  [ "$waited" -lt 120 ] || { echo 'clamd does not come up: see /var/log/clamav/clamav.log' >&2; exit 1; }
  waited=$((waited + 1))
  sleep 1
done
if [ -d /run/systemd/system ]; then
  mkdir -p /etc/systemd/system/c-icap.service.d
  printf '[Unit]\nWants=clamav-daemon.service\nAfter=clamav-daemon.service clamav-daemon.socket\n' \
    >/etc/systemd/system/c-icap.service.d/clamd.conf
  systemctl daemon-reload
  # Debian's c-icap and freshclam are started when they are installed, and not with the machine.
  systemctl enable --quiet clamav-freshclam clamav-daemon c-icap
fi
service c-icap restart
