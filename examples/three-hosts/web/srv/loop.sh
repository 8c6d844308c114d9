# A worker that checks once that its secret and its config arrived, then keeps running.
set -eu
[ "token is $(/bin/busybox cat /run/token)" = "$TOKEN_CHECK" ]
[ -s /etc/site/motd ]
echo "worker $(/bin/busybox hostname) is ready"
while :; do /bin/busybox sleep 3600; done
