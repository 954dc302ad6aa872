#!/usr/bin/env bash
# Two real directories on this machine, for the tests of the login: an Active Directory domain controller (Samba) and an OpenLDAP server.
#   directory.sh up DIR      sets both up in DIR and starts them; DIR/env has the variables that the tests read
#   directory.sh down DIR    stops both
# Needs root, and the ports 389 and 636 of the loopback interface for the domain controller; the other one is on 3890.
set -euo pipefail
# shellcheck source=prelude.sh
source "$(dirname "${BASH_SOURCE[0]}")/prelude.sh"

admin_password='Adm1n!Passw0rd' # of throw-away servers that listen on the loopback interface only
user_password='Sc1ence!pw'
openldap_port=3890

main() {
  (($# == 2)) || { sed -n '/^#   /s/^#   //p' "$0" >&2; exit 2; }
  ((EUID == 0)) || die "$(basename "$0") needs root: a domain controller uses the ports 389 and 636."
  case $1 in
    up) up "$2" ;;
    down) down "$2" ;;
    *) die "There is up and down, not $1." ;;
  esac
}

up() {
  apt_install samba samba-ad-dc samba-ad-provision samba-dsdb-modules samba-vfs-modules winbind slapd ldap-utils
  mkdir -p "$1"
  dir=$(realpath "$1")
  make_certificate
  start_domain
  start_openldap
  cat >"$dir/env" <<ENV
export MYDB_TEST_AD_URL=ldaps://127.0.0.1 MYDB_TEST_AD_CA_FILE=$dir/ca.crt
export MYDB_TEST_AD_BASE_DN=DC=lab,DC=test MYDB_TEST_AD_BIND_DN=CN=Administrator,CN=Users,DC=lab,DC=test MYDB_TEST_AD_BIND_PASSWORD='$admin_password'
export MYDB_TEST_AD_CONF=$dir/dc/etc/smb.conf
export MYDB_TEST_LDAP_URL=ldap://127.0.0.1:$openldap_port MYDB_TEST_LDAP_CA_FILE=$dir/ca.crt
export MYDB_TEST_LDAP_BASE_DN=dc=lab,dc=test MYDB_TEST_LDAP_BIND_DN=cn=admin,dc=lab,dc=test MYDB_TEST_LDAP_BIND_PASSWORD='$admin_password'
export MYDB_TEST_DIRECTORY_PASSWORD='$user_password'
ENV
}

make_certificate() {
  openssl req -x509 -newkey rsa:2048 -nodes -days 30 -subj /CN=lab.test -addext "subjectAltName=IP:127.0.0.1" \
    -keyout "$dir/key.pem" -out "$dir/ca.crt" 2>/dev/null
  chmod 600 "$dir/key.pem"
}

# start_domain provisions LAB.TEST. Simple binds need TLS there, as on any domain; its certificate is for dc1.lab.test.
start_domain() {
  local log=$dir/provision.log
  rm -rf "$dir/dc"
  samba-tool domain provision --realm=LAB.TEST --domain=LAB --server-role=dc --dns-backend=NONE --adminpass="$admin_password" \
    --targetdir="$dir/dc" --host-name=dc1 --host-ip=127.0.0.1 --option="bind interfaces only=yes" --option="interfaces=lo" \
    --option="tls certfile=$dir/ca.crt" --option="tls keyfile=$dir/key.pem" --option="tls cafile=$dir/ca.crt" \
    >"$log" 2>&1 || { tail -n 5 "$log" >&2; die "The domain controller could not be provisioned; see $log."; }
  samba -s "$dir/dc/etc/smb.conf" -D
  await_port 636
  local deadline=$((SECONDS + 60))
  until on_domain user list >/dev/null 2>&1; do
    ((SECONDS < deadline)) || die "The domain controller does not answer; see $dir/dc."
    sleep 0.5
  done
  fill_domain
}

# The tool warns of the password in its arguments, which is that of a throw-away server.
on_domain() { samba-tool "$@" -s "$dir/dc/etc/smb.conf" -H ldap://127.0.0.1 -U Administrator --password="$admin_password" 2> >(grep -v 'Using password on command line' >&2); }

# fill_domain makes the people of the tests: grace is an administrator through a group in the group.
fill_domain() {
  local user
  for user in ada grace dora left expired locked; do
    on_domain user create "$user" "$user_password" --mail-address="$user@lab.test" --given-name="$user" --surname=Lab >/dev/null
  done
  on_domain user create twin "$user_password" --mail-address=ada@lab.test --given-name=twin >/dev/null
  on_domain group add mydb-admins >/dev/null
  on_domain group add platform-team >/dev/null
  on_domain group add mydb-users >/dev/null
  on_domain group addmembers mydb-admins platform-team >/dev/null
  on_domain group addmembers platform-team grace >/dev/null
  on_domain group addmembers mydb-users ada,grace,left,expired,locked,twin >/dev/null
  on_domain user disable left >/dev/null
  on_domain user setexpiry expired --days=0 >/dev/null
  on_domain domain passwordsettings set --account-lockout-threshold=0 >/dev/null
  on_domain domain passwordsettings pso create locks 1 --account-lockout-threshold=1 >/dev/null # one wrong password, for one account
  on_domain domain passwordsettings pso apply locks locked >/dev/null
}

await_port() {
  local deadline=$((SECONDS + 60))
  until (exec 3<>"/dev/tcp/127.0.0.1/$1") 2>/dev/null; do
    ((SECONDS < deadline)) || die "Nothing listens on port $1."
    sleep 0.2
  done
}

# start_openldap has the same people, with nested groups that only a client can follow, and one group that is in itself.
start_openldap() {
  local home=$dir/openldap
  rm -rf "$home" && mkdir -p "$home/data"
  cat >"$home/slapd.conf" <<CONF
include /etc/ldap/schema/core.schema
include /etc/ldap/schema/cosine.schema
include /etc/ldap/schema/nis.schema
include /etc/ldap/schema/inetorgperson.schema
modulepath /usr/lib/ldap
moduleload back_mdb
pidfile $home/slapd.pid
TLSCertificateFile $dir/ca.crt
TLSCertificateKeyFile $dir/key.pem
database mdb
suffix "dc=lab,dc=test"
rootdn "cn=admin,dc=lab,dc=test"
rootpw $admin_password
directory $home/data
index objectClass,uid,mail,member eq
access to attrs=userPassword by anonymous auth by * none
access to * by dn="cn=admin,dc=lab,dc=test" write by * none
CONF
  people_ldif | slapadd -f "$home/slapd.conf"
  slapd -f "$home/slapd.conf" -h "ldap://127.0.0.1:$openldap_port" -n mydb-test-slapd
  await_port "$openldap_port"
}

people_ldif() {
  printf 'dn: dc=lab,dc=test\nobjectClass: dcObject\nobjectClass: organization\no: lab\ndc: lab\n\n'
  local user mail
  for user in ada grace dora expired twin; do
    mail=$user@lab.test
    [[ $user != twin ]] || mail=ada@lab.test
    printf 'dn: uid=%s,dc=lab,dc=test\nobjectClass: inetOrgPerson\nobjectClass: shadowAccount\nuid: %s\ncn: %s Lab\nsn: Lab\nmail: %s\nuserPassword: %s\n' \
      "$user" "$user" "$user" "$mail" "$user_password"
    if [[ $user == expired ]]; then echo 'shadowExpire: 1'; fi
    echo
  done
  group mydb-admins cn=platform-team,dc=lab,dc=test
  group platform-team uid=grace,dc=lab,dc=test cn=mydb-admins,dc=lab,dc=test
  group mydb-users uid=ada,dc=lab,dc=test uid=grace,dc=lab,dc=test uid=expired,dc=lab,dc=test uid=twin,dc=lab,dc=test
}

group() {
  local member
  printf 'dn: cn=%s,dc=lab,dc=test\nobjectClass: groupOfNames\ncn: %s\n' "$1" "$1"
  for member in "${@:2}"; do echo "member: $member"; done
  echo
}

down() {
  local file
  for file in "$1/openldap/slapd.pid" "$1/dc/run/samba.pid" "$1/dc/var/run/samba.pid" /run/samba/samba.pid; do
    if [[ -s $file ]]; then stop "$(<"$file")"; fi
  done
}

# stop ends a process that is one of ours, with its children, and waits until they write no more: a pid may be somebody else's by now.
stop() {
  case $(cat "/proc/$1/comm" 2>/dev/null) in
    slapd | samba*) kill -- "-$1" 2>/dev/null || kill "$1" 2>/dev/null || return 0 ;;
    *) return 0 ;;
  esac
  local deadline=$((SECONDS + 30))
  while pgrep --runstates D,R,S --pgroup "$1" >/dev/null; do
    ((SECONDS < deadline)) || { kill -KILL -- "-$1" 2>/dev/null || true; return 0; }
    sleep 0.1
  done
}

main "$@"
