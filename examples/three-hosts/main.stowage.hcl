# Three bare Debian hosts become a cluster that runs two pods with three replicas
# each: one apply, nothing installed by hand, no registry.

stowage {
  required_version = ">= 0.1"
}

variable "hosts" {
  description = "Addresses of three hosts that you can reach by SSH."
  type        = map(string)
  default = {
    a = "10.77.0.11"
    b = "10.77.0.12"
    c = "10.77.0.13"
  }
}

variable "ssh" {
  description = "How to log in; every argument has the default that ssh itself has."
  type = object({
    user        = optional(string)
    private_key = optional(string)
    known_hosts = optional(string)
  })
  default = {}
}

node "m" {
  for_each    = var.hosts
  address     = each.value
  role        = each.key == "a" ? "manager" : "worker"
  schedulable = true
  labels      = { zone = each.key }
  ssh {
    user        = var.ssh.user
    private_key = var.ssh.private_key
    known_hosts = var.ssh.known_hosts
  }
}

# An image from a directory and a static binary.
image "web" {
  copy "/bin/busybox" {
    to   = "/bin/busybox"
    mode = "0755"
  }
  copy "./web" {
    to = "/"
  }
  entrypoint = ["/bin/busybox"]
}

config "site" {
  files = {
    "index.html" = "<h1>Stowage on ${length(var.hosts)} hosts</h1>\n"
    "motd"       = "Shared by both pods.\n"
  }
}

secret "token" {
  generate {
    length = 24
  }
}

pod "web" {
  replicas = 3
  container "httpd" {
    image = image.web
    args  = ["httpd", "-f", "-p", "80", "-h", "/site"]
    port "http" {
      container = 80
      host      = 8080
    }
    mount "/site" {
      config = config.site
    }
    resources {
      cpu    = "100m"
      memory = "32Mi"
      limits {
        memory = "64Mi"
      }
    }
  }
}

pod "worker" {
  replicas = 3
  container "loop" {
    image   = image.web
    command = ["/bin/busybox", "sh", "/srv/loop.sh"]
    env = {
      TOKEN_CHECK = "token is ${secret.token.value}"
    }
    mount "/run/token" {
      secret = secret.token
    }
    mount "/etc/site" {
      config = config.site
    }
    resources {
      cpu    = "50m"
      memory = "16Mi"
    }
  }
  placement {
    where    = "zone in (a, b, c)"
    strategy = "spread"
  }
}

output "urls" {
  value = [for name, address in var.hosts : "http://${address}:8080/"]
}

output "token" {
  value     = secret.token.value
  sensitive = true
}
