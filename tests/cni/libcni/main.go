// Drives a CNI configuration list by libcni, the library that containerd, CRI-O and podman use.
//
//	libcni-driver CONFLIST CACHE-FOLDER CONTAINER NETNS     ADD, CHECK, the same results from the cache, DEL, DEL
//
// CNI_PATH says where the plugins are. Prints a line for each step and the result of ADD; exit status 1 if one fails.
package main

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"github.com/containernetworking/cni/libcni"
	current "github.com/containernetworking/cni/pkg/types/100"
)

func must(step string, err error) {
	if err != nil {
		fmt.Printf("%s: %v\n", step, err)
		os.Exit(1)
	}
	fmt.Println(step, "succeeded")
}

func main() {
	if len(os.Args) != 5 {
		fmt.Fprintln(os.Stderr, "usage: libcni-driver CONFLIST CACHE-FOLDER CONTAINER NETNS")
		os.Exit(2)
	}
	list, err := libcni.ConfListFromFile(os.Args[1])
	must("reading the list", err)
	config := libcni.NewCNIConfigWithCacheDir(filepath.SplitList(os.Getenv("CNI_PATH")), os.Args[2], nil)
	runtime := &libcni.RuntimeConf{
		ContainerID: os.Args[3],
		NetNS:       os.Args[4],
		IfName:      "eth0",
		Args:        [][2]string{{"IgnoreUnknown", "1"}, {"K8S_POD_NAMESPACE", "default"}, {"K8S_POD_NAME", "web-0"}},
		CapabilityArgs: map[string]interface{}{
			"mac":          "02:00:00:00:0c:01",
			"ips":          []string{"10.1.0.99/24"},
			"portMappings": []map[string]interface{}{},
		},
	}
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	defer cancel()

	_, err = config.ValidateNetworkList(ctx, list)
	must("VERSION", err)
	result, err := config.AddNetworkList(ctx, list, runtime)
	must("ADD", err)
	converted, err := current.NewResultFromResult(result)
	must("the result in version 1.0.0", err)
	text, err := json.Marshal(converted)
	must("printing it", err)
	fmt.Println(string(text))
	if list.CNIVersion != "0.3.1" { // which has none
		must("CHECK", config.CheckNetworkList(ctx, list, runtime))
	}
	cached, err := config.GetNetworkListCachedResult(list, runtime)
	must("the result in the cache", err)
	if again, err := current.NewResultFromResult(cached); err != nil || len(again.IPs) != len(converted.IPs) {
		fmt.Println("the cache has another result:", again, err)
		os.Exit(1)
	}
	must("DEL", config.DelNetworkList(ctx, list, runtime))
	runtime.NetNS = ""
	must("DEL without a namespace", config.DelNetworkList(ctx, list, runtime))
}
