/* The serial console (a command a line, the answer as "guest: <command> <answer>") and the ACPI power button.
 */
#include "guest.h"

#include <dirent.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <termios.h>
#include <unistd.h>

#include <linux/input.h>
#include <sys/ioctl.h>

static void* read_console(void* unused) {
  (void)unused;
  struct termios mode;
  if (tcgetattr(0, &mode) == 0) {
    /* No echo: what programs read back is only what the guest says. */
    mode.c_lflag &= ~(tcflag_t)(ECHO | ICANON | ISIG);
    mode.c_iflag |= ICRNL;
    tcsetattr(0, TCSANOW, &mode);
  }
  char line[256];
  size_t have = 0;
  for (;;) {
    char byte;
    if (read(0, &byte, 1) != 1) {
      sleep_ms(100);
      continue;
    }
    if (byte != '\n') {
      if (have < sizeof line - 1) line[have++] = byte;
      continue;
    }
    line[have] = 0;
    have = 0;
    if (line[0] == 0) continue;
    char reply[kReplyBytes];
    const bool known = command_run(line, reply, sizeof reply);
    say("%s %s", line, known ? reply : "error unknown command");
  }
  return NULL;
}

/* Opened before the guest says that it is ready: a button pressed from then on is never lost. */
static struct pollfd g_inputs[16];
static nfds_t g_inputs_count;

static bool open_inputs(void) {
  bool found = false;
  DIR* folder = opendir("/dev/input");
  const struct dirent* entry;
  while (folder != NULL && g_inputs_count < 16 && (entry = readdir(folder)) != NULL) {
    char path[sizeof entry->d_name + 16];
    char name[64] = "";
    if (strncmp(entry->d_name, "event", 5) != 0) continue;
    snprintf(path, sizeof path, "/dev/input/%s", entry->d_name);
    const int file = open(path, O_RDONLY | O_CLOEXEC);
    if (file < 0) continue;
    if (ioctl(file, EVIOCGNAME(sizeof name - 1), name) >= 0 && strcmp(name, "Power Button") == 0) {
      g_inputs[g_inputs_count++] = (struct pollfd){.fd = file, .events = POLLIN};
      found = true;
    } else {
      close(file);
    }
  }
  if (folder != NULL) closedir(folder);
  return found;
}

static void* watch_button(void* unused) {
  (void)unused;
  while (poll(g_inputs, g_inputs_count, -1) > 0) {
    for (nfds_t i = 0; i < g_inputs_count; ++i) {
      struct input_event event;
      if ((g_inputs[i].revents & POLLIN) == 0 || read(g_inputs[i].fd, &event, sizeof event) != sizeof event)
        continue;
      if (event.type == EV_KEY && event.code == KEY_POWER && event.value == 1) machine_end(false, "button");
    }
  }
  return NULL;
}

void console_start(void) {
  start_thread(read_console, NULL);
}
void button_start(void) {
  bool found = open_inputs();
  for (int tries = 0; !found && tries < 100; ++tries) { /* the driver makes it a little later */
    sleep_ms(50);
    found = open_inputs();
  }
  if (!found) {
    say("error button: no power button");
    return;
  }
  start_thread(watch_button, NULL);
}
