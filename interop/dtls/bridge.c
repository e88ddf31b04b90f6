/* Plain UDP on one side, DTLS of mbedTLS on the other, datagram by datagram: mbedTLS set up as the engine's
 * PacketPeerMbedDTLS and ENetDTLSServer set it up. Everything is on 127.0.0.1.
 *
 *   bridge client PORT CA NAME      connects to the DTLS server at PORT; CA and NAME may be - for none
 *   bridge server CERT KEY PORT     serves one DTLS client after the other, and takes them to the plain host at PORT
 *
 * BRIDGE_SUITE in the environment names the only cipher suite. It prints `listening PORT`, `open SUITE`, `closed`, `failed CODE FLAGS TEXT`, one a line, and ends with its standard
 * input. It is a part of tests, and no example of how to write a server.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <mbedtls/ctr_drbg.h>
#include <mbedtls/entropy.h>
#include <mbedtls/error.h>
#include <mbedtls/ssl.h>
#include <mbedtls/ssl_cookie.h>
#include <mbedtls/timing.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

static mbedtls_ssl_context ssl;
static mbedtls_ssl_config conf;
static mbedtls_x509_crt certificate;
static mbedtls_pk_context key;
static mbedtls_entropy_context entropy;
static mbedtls_ctr_drbg_context random_source;
static mbedtls_ssl_cookie_ctx cookies;
static mbedtls_timing_delay_context timer;

/* The two sockets, and who is at their other end. */
static int sealed, plain;
static struct sockaddr_in sealed_peer, plain_peer;
static int has_sealed_peer, has_plain_peer;

static void die(const char *what, int code) {
  char text[128] = "";
  if (code) mbedtls_strerror(code, text, sizeof text);
  printf("failed %d %u %s: %s\n", code, mbedtls_ssl_get_verify_result(&ssl), what, text);
  exit(1);
}

static void check(const char *what, int code) {
  if (code) die(what, code);
}

static int bind_any(void) {
  struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
  int s = socket(AF_INET, SOCK_DGRAM, 0);
  if (s < 0 || bind(s, (struct sockaddr *)&address, sizeof address)) die("bind", 0);
  return s;
}

static int port_of(int s) {
  struct sockaddr_in address;
  socklen_t length = sizeof address;
  getsockname(s, (struct sockaddr *)&address, &length);
  return ntohs(address.sin_port);
}

static struct sockaddr_in at(const char *port) {
  struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
  address.sin_port = htons((unsigned short)atoi(port));
  return address;
}

static int send_sealed(void *unused, const unsigned char *bytes, size_t length) {
  (void)unused;
  ssize_t sent = sendto(sealed, bytes, length, 0, (struct sockaddr *)&sealed_peer, sizeof sealed_peer);
  return sent < 0 ? MBEDTLS_ERR_SSL_WANT_WRITE : (int)sent;
}

static int receive_sealed(void *unused, unsigned char *bytes, size_t length) {
  struct sockaddr_in from;
  socklen_t from_length = sizeof from;
  (void)unused;
  ssize_t got = recvfrom(sealed, bytes, length, MSG_DONTWAIT, (struct sockaddr *)&from, &from_length);
  if (got < 0) return MBEDTLS_ERR_SSL_WANT_READ;
  if (has_sealed_peer && memcmp(&from, &sealed_peer, 8)) return MBEDTLS_ERR_SSL_WANT_READ;
  sealed_peer = from;
  has_sealed_peer = 1;
  return (int)got;
}

/* The name that a cookie is bound to. */
static void name_client(void) {
  struct sockaddr_in from;
  socklen_t from_length = sizeof from;
  char byte;
  if (recvfrom(sealed, &byte, 1, MSG_PEEK | MSG_DONTWAIT, (struct sockaddr *)&from, &from_length) >= 0) {
    sealed_peer = from;
    has_sealed_peer = 1;
    check("transport id", mbedtls_ssl_set_client_transport_id(&ssl, (unsigned char *)&from, 8));
  }
}

static void reset(void) {
  has_sealed_peer = 0;
  check("reset", mbedtls_ssl_session_reset(&ssl));
}

static void set_up(char **argv, int is_server) {
  mbedtls_ssl_init(&ssl);
  mbedtls_ssl_config_init(&conf);
  mbedtls_x509_crt_init(&certificate);
  mbedtls_pk_init(&key);
  mbedtls_entropy_init(&entropy);
  mbedtls_ctr_drbg_init(&random_source);
  mbedtls_ssl_cookie_init(&cookies);
  check("seed", mbedtls_ctr_drbg_seed(&random_source, mbedtls_entropy_func, &entropy, NULL, 0));
  check("defaults", mbedtls_ssl_config_defaults(&conf, is_server ? MBEDTLS_SSL_IS_SERVER : MBEDTLS_SSL_IS_CLIENT,
                                                MBEDTLS_SSL_TRANSPORT_DATAGRAM, MBEDTLS_SSL_PRESET_DEFAULT));
  mbedtls_ssl_conf_rng(&conf, mbedtls_ctr_drbg_random, &random_source);
  int authmode = MBEDTLS_SSL_VERIFY_NONE;
  if (is_server) {
    check("certificate", mbedtls_x509_crt_parse_file(&certificate, argv[2]));
    check("key", mbedtls_pk_parse_keyfile(&key, argv[3], NULL));
    check("own certificate", mbedtls_ssl_conf_own_cert(&conf, &certificate, &key));
    check("cookies", mbedtls_ssl_cookie_setup(&cookies, mbedtls_ctr_drbg_random, &random_source));
    mbedtls_ssl_conf_dtls_cookies(&conf, mbedtls_ssl_cookie_write, mbedtls_ssl_cookie_check, &cookies);
  } else if (strcmp(argv[3], "-")) {
    check("authorities", mbedtls_x509_crt_parse_file(&certificate, argv[3]));
    mbedtls_ssl_conf_ca_chain(&conf, &certificate, NULL);
    authmode = MBEDTLS_SSL_VERIFY_REQUIRED;
  }
  mbedtls_ssl_conf_authmode(&conf, authmode);
  if (getenv("BRIDGE_SUITE")) {
    static int suites[2];
    suites[0] = mbedtls_ssl_get_ciphersuite_id(getenv("BRIDGE_SUITE"));
    mbedtls_ssl_conf_ciphersuites(&conf, suites);
  }
  check("setup", mbedtls_ssl_setup(&ssl, &conf));
  if (!is_server) check("name", mbedtls_ssl_set_hostname(&ssl, strcmp(argv[4], "-") ? argv[4] : NULL));
  mbedtls_ssl_set_bio(&ssl, NULL, send_sealed, receive_sealed, NULL);
  mbedtls_ssl_set_timer_cb(&ssl, &timer, mbedtls_timing_set_delay, mbedtls_timing_get_delay);
}

/* Goes on with the handshake; tells whether it is complete. */
static int shake(int is_server) {
  if (is_server && !has_sealed_peer) {
    name_client();
    if (!has_sealed_peer) return 0;
  }
  int result = mbedtls_ssl_handshake(&ssl);
  if (result == 0) {
    printf("open %s\n", mbedtls_ssl_get_ciphersuite(&ssl));
    return 1;
  }
  if (result == MBEDTLS_ERR_SSL_WANT_READ || result == MBEDTLS_ERR_SSL_WANT_WRITE) return 0;
  if (result == MBEDTLS_ERR_SSL_HELLO_VERIFY_REQUIRED) {
    reset();
    return 0;
  }
  die("handshake", result);
  return 0;
}

/* Takes out what has come; tells whether the session goes on. */
static int unseal(void) {
  unsigned char bytes[8192];
  for (;;) {
    int got = mbedtls_ssl_read(&ssl, bytes, sizeof bytes);
    if (got > 0) {
      if (has_plain_peer) sendto(plain, bytes, (size_t)got, 0, (struct sockaddr *)&plain_peer, sizeof plain_peer);
      continue;
    }
    if (got == MBEDTLS_ERR_SSL_WANT_READ || got == MBEDTLS_ERR_SSL_WANT_WRITE) return 1;
    if (got == MBEDTLS_ERR_SSL_PEER_CLOSE_NOTIFY || got == 0) {
      printf("closed\n");
      mbedtls_ssl_close_notify(&ssl);
      return 0;
    }
    die("read", got);
  }
}

/* Seals what waits on the plain side. */
static void seal(int is_server) {
  unsigned char bytes[8192];
  for (;;) {
    struct sockaddr_in from;
    socklen_t from_length = sizeof from;
    ssize_t got = recvfrom(plain, bytes, sizeof bytes, MSG_DONTWAIT, (struct sockaddr *)&from, &from_length);
    if (got < 0) return;
    if (!is_server) {
      plain_peer = from;
      has_plain_peer = 1;
    }
    int sent = mbedtls_ssl_write(&ssl, bytes, (size_t)got);
    if (sent < 0 && sent != MBEDTLS_ERR_SSL_WANT_WRITE) die("write", sent);
  }
}

int main(int argc, char **argv) {
  setvbuf(stdout, NULL, _IOLBF, 0);
  if (argc != 5) return 2;
  int is_server = !strcmp(argv[1], "server");
  sealed = bind_any();
  plain = bind_any();
  if (is_server) {
    plain_peer = at(argv[4]);
    has_plain_peer = 1;
  } else {
    sealed_peer = at(argv[2]);
    has_sealed_peer = 1;
  }
  set_up(argv, is_server);
  printf("listening %d\n", port_of(is_server ? sealed : plain));
  int is_open = 0;
  for (;;) {
    struct pollfd watched[3] = {{0, POLLIN, 0}, {sealed, POLLIN, 0}, {plain, is_open ? POLLIN : 0, 0}};
    poll(watched, 3, 20);
    char byte;
    if (watched[0].revents && read(0, &byte, 1) <= 0) break;
    if (!is_open) is_open = shake(is_server);
    if (is_open) {
      seal(is_server);
      is_open = unseal();
      if (!is_open) {
        if (!is_server) break;
        reset();
      }
    }
  }
  if (is_open) mbedtls_ssl_close_notify(&ssl);
  return 0;
}
