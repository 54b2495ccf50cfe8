/* Port 80: one HTTP request per connection. Port 7: numbered lines for as long as the client stays. */
#include "guest.h"

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

static _Atomic int g_connections;

struct service {
  uint16_t port;
  void (*serve)(int client);
};

struct connection {
  int client;
  void (*serve)(int client);
};

static bool send_all(int client, const char* text, size_t bytes) {
  while (bytes > 0) {
    const ssize_t sent = send(client, text, bytes, MSG_NOSIGNAL);
    if (sent <= 0) return false;
    text += sent;
    bytes -= (size_t)sent;
  }
  return true;
}

static void page(char* body, size_t size) {
  const unsigned long long counter = atomic_load(&g_counter);
  append(body, size,
         "<!doctype html><title>sealift guest</title><h1>sealift test guest</h1>\n"
         "<p>counter %llu<p>uptime %llu ms\n<p><a href=/verify>verify</a> <a href=/status>status</a>\n",
         counter, (unsigned long long)uptime_ms());
}

static void serve_http(int client) {
  char request[1024];
  size_t have = 0;
  const struct timeval limit = {10, 0};
  setsockopt(client, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit);
  request[0] = 0;
  while (strstr(request, "\r\n\r\n") == NULL) {
    const ssize_t got = recv(client, request + have, sizeof request - 1 - have, 0);
    if (got <= 0) return;
    have += (size_t)got;
    request[have] = 0;
    if (have == sizeof request - 1) return;
  }
  char path[128] = "";
  const char* type = "text/plain";
  const char* result = "200 OK";
  char body[kReplyBytes] = "";
  if (sscanf(request, "GET /%126[^ \r\n]", path) != 1) path[0] = 0;
  if (path[0] == 0) {
    type = "text/html";
    page(body, sizeof body);
  } else if (command_run(path, body, sizeof body)) {
    append(body, sizeof body, "\n");
  } else {
    result = "404 Not Found";
    append(body, sizeof body, "no such page\n");
  }
  char reply[kReplyBytes + 256] = "";
  append(reply, sizeof reply,
         "HTTP/1.1 %s\r\nContent-Type: %s\r\nContent-Length: %zu\r\nConnection: close\r\n\r\n%s", result,
         type, strlen(body), body);
  send_all(client, reply, strlen(reply));
}

static void serve_lines(int client) {
  const int on = 1;
  setsockopt(client, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
  for (unsigned long long number = 1;; ++number) {
    char line[64] = "";
    append(line, sizeof line, "%llu %llu\n", number, (unsigned long long)atomic_load(&g_counter));
    if (!send_all(client, line, strlen(line))) return;
    sleep_ms(20);
  }
}

static void* serve_one(void* argument) {
  struct connection connection = *(struct connection*)argument;
  free(argument);
  connection.serve(connection.client);
  shutdown(connection.client, SHUT_WR);
  close(connection.client);
  atomic_fetch_sub(&g_connections, 1);
  return NULL;
}

static void* listen_on(void* argument) {
  const struct service* service = argument;
  const int listener = socket(AF_INET6, SOCK_STREAM | SOCK_CLOEXEC, 0);
  const int on = 1;
  setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
  struct sockaddr_in6 address = {
      .sin6_family = AF_INET6, .sin6_port = htons(service->port), .sin6_addr = IN6ADDR_ANY_INIT};
  if (bind(listener, (struct sockaddr*)&address, sizeof address) != 0 || listen(listener, 64) != 0) {
    say("error port=%u: cannot listen", service->port);
    return NULL;
  }
  for (;;) {
    const int client = accept4(listener, NULL, NULL, SOCK_CLOEXEC);
    if (client < 0) continue;
    if (atomic_load(&g_connections) >= 64) {
      close(client);
      continue;
    }
    struct connection* connection = malloc(sizeof *connection);
    if (connection == NULL) {
      close(client);
      continue;
    }
    *connection = (struct connection){client, service->serve};
    atomic_fetch_add(&g_connections, 1);
    start_thread(serve_one, connection);
  }
}

void serve_start(void) {
  static struct service http = {80, serve_http};
  static struct service lines = {7, serve_lines};
  start_thread(listen_on, &http);
  start_thread(listen_on, &lines);
}
