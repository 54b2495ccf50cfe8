/* pid 1: file systems, modules, network, then the workload and its services (guest.h). */
#include "guest.h"

#include <arpa/inet.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <net/if.h>
#include <net/route.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

struct settings g_settings = {
    .ip = "10.0.2.15/24", .seed = 1, .memory_mib = 32, .span_mib = 16, .memory_rate = 4, .disk_rate = 256};
_Atomic uint64_t g_counter;

void say(const char* format, ...) {
  /* One write per line, on a line of its own whatever the kernel printed before. */
  char line[kReplyBytes + 64] = "\nguest: ";
  va_list arguments;
  va_start(arguments, format);
  const size_t used = strlen(line);
  vsnprintf(line + used, sizeof line - used - 1, format, arguments);
  va_end(arguments);
  strcat(line, "\n");
  if (write(1, line, strlen(line)) < 0) return;
}

void append(char* text, size_t size, const char* format, ...) {
  const size_t used = strlen(text);
  if (used + 1 >= size) return;
  va_list arguments;
  va_start(arguments, format);
  vsnprintf(text + used, size - used, format, arguments);
  va_end(arguments);
}

void start_thread(void* (*body)(void*), void* argument) {
  pthread_t thread;
  pthread_attr_t attributes;
  pthread_attr_init(&attributes);
  pthread_attr_setstacksize(&attributes, 128 * 1024);
  pthread_attr_setdetachstate(&attributes, PTHREAD_CREATE_DETACHED);
  const int error = pthread_create(&thread, &attributes, body, argument);
  if (error != 0) say("error thread: %s", strerror(error));
  pthread_attr_destroy(&attributes);
}

void sleep_ms(long milliseconds) {
  const struct timespec time = {milliseconds / 1000, milliseconds % 1000 * 1000000};
  nanosleep(&time, NULL);
}

uint64_t uptime_ms(void) {
  struct timespec now;
  clock_gettime(CLOCK_MONOTONIC, &now);
  return (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
}

static void mount_all(void) {
  mkdir("/proc", 0755);
  mkdir("/sys", 0755);
  mkdir("/dev", 0755);
  mount("proc", "/proc", "proc", 0, NULL);
  mount("sysfs", "/sys", "sysfs", 0, NULL);
  mount("devtmpfs", "/dev", "devtmpfs", 0, NULL);
  const int console = open("/dev/console", O_RDWR | O_NOCTTY);
  if (console < 0) return;
  for (int file = 0; file < 3; ++file) dup2(console, file);
  if (console > 2) close(console);
}

static void load_modules(void) {
  struct dirent** names = NULL;
  /* The image numbers them in the order in which they must be loaded. */
  const int count = scandir("/modules", &names, NULL, alphasort);
  for (int i = 0; i < count; ++i) {
    char path[sizeof names[i]->d_name + 16];
    snprintf(path, sizeof path, "/modules/%s", names[i]->d_name);
    if (names[i]->d_name[0] == '.') continue;
    const int file = open(path, O_RDONLY | O_CLOEXEC);
    if (file < 0 || syscall(SYS_finit_module, file, "", 0) != 0)
      say("error module=%s %s", names[i]->d_name, strerror(errno));
    if (file >= 0) close(file);
  }
}

static bool is(const char* key, size_t length, const char* name) {
  return strlen(name) == length && strncmp(key, name, length) == 0;
}

static void read_settings(void) {
  static char text[4096];
  const int file = open("/proc/cmdline", O_RDONLY | O_CLOEXEC);
  const ssize_t bytes = file < 0 ? 0 : read(file, text, sizeof text - 1);
  text[bytes > 0 ? bytes : 0] = 0;
  if (file >= 0) close(file);
  for (char* word = strtok(text, " \n"); word != NULL; word = strtok(NULL, " \n")) {
    const char* value = strchr(word, '=');
    if (strncmp(word, "guest.", 6) != 0 || value == NULL) continue;
    const size_t name = (size_t)(value - word) - 6;
    const uint64_t number = strtoull(++value, NULL, 10);
    const char* key = word + 6;
    if (is(key, name, "ip")) snprintf(g_settings.ip, sizeof g_settings.ip, "%s", value);
    if (is(key, name, "gw")) snprintf(g_settings.gateway, sizeof g_settings.gateway, "%s", value);
    if (is(key, name, "seed")) g_settings.seed = number;
    if (is(key, name, "mem")) g_settings.memory_mib = number;
    if (is(key, name, "span")) g_settings.span_mib = number;
    if (is(key, name, "rate")) g_settings.memory_rate = number;
    if (is(key, name, "disk")) g_settings.disk_rate = number;
  }
}

static bool set_interface(int control, const char* name, const char* address, int prefix) {
  struct ifreq request = {0};
  struct sockaddr_in inet = {.sin_family = AF_INET};
  snprintf(request.ifr_name, sizeof request.ifr_name, "%s", name);
  if (inet_pton(AF_INET, address, &inet.sin_addr) != 1) return false;
  memcpy(&request.ifr_addr, &inet, sizeof inet);
  if (ioctl(control, SIOCSIFADDR, &request) != 0) return false;
  inet.sin_addr.s_addr = prefix == 0 ? 0 : htonl(~0U << (32 - prefix));
  memcpy(&request.ifr_netmask, &inet, sizeof inet);
  if (ioctl(control, SIOCSIFNETMASK, &request) != 0 || ioctl(control, SIOCGIFFLAGS, &request) != 0)
    return false;
  request.ifr_flags |= IFF_UP | IFF_RUNNING;
  return ioctl(control, SIOCSIFFLAGS, &request) == 0;
}

static void start_network(void) {
  const int control = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
  char address[64];
  snprintf(address, sizeof address, "%s", g_settings.ip);
  char* slash = strchr(address, '/');
  int prefix = 24;
  if (slash != NULL) {
    *slash = 0;
    prefix = atoi(slash + 1);
  }
  set_interface(control, "lo", "127.0.0.1", 8);
  for (int tries = 0; if_nametoindex("eth0") == 0 && tries < 100; ++tries) sleep_ms(10);
  if (if_nametoindex("eth0") == 0) {
    say("note no network device");
  } else if (!set_interface(control, "eth0", address, prefix)) {
    say("error eth0 %s: %s", g_settings.ip, strerror(errno));
  }
  struct sockaddr_in gateway = {.sin_family = AF_INET};
  struct rtentry route = {.rt_flags = RTF_UP | RTF_GATEWAY};
  route.rt_dst.sa_family = AF_INET;
  route.rt_genmask.sa_family = AF_INET;
  if (inet_pton(AF_INET, g_settings.gateway, &gateway.sin_addr) == 1) {
    memcpy(&route.rt_gateway, &gateway, sizeof gateway);
    if (ioctl(control, SIOCADDRT, &route) != 0)
      say("error gateway %s: %s", g_settings.gateway, strerror(errno));
  }
  close(control);
}

int main(void) {
  mount_all();
  load_modules();
  read_settings();
  start_network();
  disks_start();
  memory_start();
  serve_start();
  button_start();
  console_start();
  char reply[kReplyBytes];
  command_run("status", reply, sizeof reply);
  say("ready ip=%s %s", g_settings.ip, reply);
  for (;;) {
    sleep_ms(10);
    atomic_fetch_add(&g_counter, 1);
    waitpid(-1, NULL, WNOHANG);
  }
}
