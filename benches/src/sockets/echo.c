/* An echo server of C ENet over a real socket, as a game would write it.
 *
 *   echo SECONDS TICK_MICROS
 *
 * Writes "port N", sends each packet back to its sender, and ends after SECONDS. With a tick it serves the host once in
 * so many microseconds, as a game does in a frame; with 0 whenever something arrives. */
#include <enet/enet.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#define PEERS 4095
#define RECEIVE_BYTES (4 * 1024 * 1024)

static double seconds_now(void) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec + (double)now.tv_nsec * 1e-9;
}

static void sleep_until(double until) {
    double wait = until - seconds_now();
    if (wait > 0) {
        struct timespec pause = {(time_t)wait, (long)((wait - (double)(time_t)wait) * 1e9)};
        nanosleep(&pause, NULL);
    }
}

static void answer(const ENetEvent *event) {
    ENetPacket *packet = event->packet;
    ENetPacket *reply = enet_packet_create(packet->data, packet->dataLength, ENET_PACKET_FLAG_RELIABLE);
    if (reply != NULL && enet_peer_send(event->peer, event->channelID, reply) != 0) {
        enet_packet_destroy(reply);
    }
    enet_packet_destroy(packet);
}

int main(int count, char **arguments) {
    if (count != 3 || enet_initialize() != 0) {
        return 2;
    }
    double end = seconds_now() + atof(arguments[1]);
    double tick = atof(arguments[2]) * 1e-6;
    ENetAddress address;
    enet_address_set_host_ip(&address, "127.0.0.1");
    address.port = 0;
    ENetHost *host = enet_host_create(&address, PEERS, 2, 0, 0);
    if (host == NULL) {
        return 1;
    }
    /* As ours asks for; the default of 256 kB loses what a crowd sends within some milliseconds. */
    enet_socket_set_option(host->socket, ENET_SOCKOPT_RCVBUF, RECEIVE_BYTES);
    enet_socket_get_address(host->socket, &address);
    printf("port %d\n", address.port);
    fflush(stdout);
    double next = seconds_now();
    while (seconds_now() < end) {
        ENetEvent event;
        while (enet_host_service(host, &event, tick > 0 ? 0 : 100) > 0) {
            if (event.type == ENET_EVENT_TYPE_RECEIVE) {
                answer(&event);
            }
        }
        if (tick > 0) {
            next += tick;
            sleep_until(next);
        }
    }
    enet_host_destroy(host);
    return 0;
}
