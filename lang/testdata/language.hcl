stowage {
  required_version = ">= 0.1"
  backend "local" { path = "state/${context.name}.json" } # or cluster, s3, postgres, etcd, http
  encryption { recipients = ["age1…"] }                   # or passphrase from the environment
}

context "dev" { variables = { replicas = 1 } }
context "prod" {
  variables = { replicas = 3 }
  protected = true # type its name, or apply a saved plan
}

variable "replicas" {
  type    = number
  default = 1
  validation {
    condition     = var.replicas > 0
    error_message = "replicas must be positive."
  }
}

node "m" {
  for_each    = { a = "10.0.0.11", b = "10.0.0.12", c = "10.0.0.13" }
  address     = each.value # or connection = "local"
  role        = "manager"  # default "worker"; 1, 3, 5 or 7 managers
  schedulable = true       # managers run pods only if asked (a lone node does)
  labels      = { zone = each.key }
  taint "gpu" { effect = "no_schedule" }
  reserve {
    cpu    = "200m"
    memory = "256Mi"
  }
  ssh {
    user        = "deploy" # sudo is used where needed
    port        = 22
    private_key = "~/.ssh/id_ed25519" # default: agent, then ~/.ssh/config
    host_key    = "ssh-ed25519 AAAA…" # default: known_hosts; accept_new = true to pin on first use
    jump        = "bastion.example.com"
  }
}

secret "db" {
  generate { length = 32 } # or value / file / env / command / age / sops
}

config "site" {
  files = { "nginx.conf" = templatefile("nginx.conf.tmpl", { port = 80 }) }
}

image "web" {
  from = "scratch" # or a registry reference, an OCI layout, a tarball
  copy "./site" {
    to    = "/site"
    owner = "0:0"
    mode  = "0644"
  }
  run       = ["…"] # steps run on a node or locally
  command   = ["/bin/httpd", "-f"]
  platforms = ["linux/amd64", "linux/arm64"]
}

volume "pgdata" {
  type = "local" # bind, tmpfs, nfs, …
  size = "10Gi"
  backup {
    schedule = "0 3 * * *"
    target   = "s3://bucket/pg"
    keep     = 14
  }
}

pod "web" {
  replicas = var.replicas
  init "migrate" {
    image   = image.tools
    command = ["migrate"]
  }
  container "nginx" {
    image = image.web # an image block, or "docker.io/library/nginx:1.27"
    args  = ["-g", "daemon off;"]
    env = {
      MODE         = "prod"
      DATABASE_URL = "postgres://app:${secret.db.value}@db.svc/app"
    }
    port "http" {
      container = 80
      host      = 0
    }
    resources {
      cpu    = "250m" # requests; limits below
      memory = "64Mi"
      limits {
        cpu    = "1"
        memory = "128Mi"
        pids   = 200
      }
    }
    mount "/etc/nginx" { config = config.site }
    mount "/run/secrets/db" {
      secret = secret.db
      mode   = "0400"
    }
    mount "/data" { volume = volume.pgdata }
    probe "readiness" {
      http {
        port = "http"
        path = "/healthz"
      }
      period            = "1s"
      failure_threshold = 3
    }
    probe "liveness" {
      tcp { port = "http" }
    }
  }
  restart { policy = "always" } # on_failure, never
  placement {
    on       = "all"                      # one per schedulable node instead of replicas
    where    = "zone in (a, b) and !spot" # label expression, as in Kubernetes selectors
    spread   = "zone"
    strategy = "pack" # or "spread"
    near     = [pod.cache]
    apart    = [pod.web]
    tolerate = ["gpu"]
  }
  singleton = false # never two at once, fenced
  failover { after = "3s" }
  rollout {
    strategy          = "rolling"
    max_surge         = 1
    max_unavailable   = 0
    min_ready         = "5s"
    progress_deadline = "10m"
    auto_rollback     = true
  }
  scale {
    min = 2
    max = 10
    cpu = 70
  }
}

service "web" {
  pod = pod.web
  port "http" {
    port     = 80
    target   = "http"
    publish  = 8080
    protocol = "tcp"
  }
  affinity = "client_ip"
}

ingress "public" {
  host "shop.example.com" {
    tls = "auto" # ACME; "internal"; or { certificate, key }
    route "/" {
      service = service.web
      port    = "http"
    }
    route "/api" {
      service = service.api
      port    = "http"
      strip   = true
    }
  }
}

job "report" {
  schedule = "0 4 * * *" # absent: run once per change
  container "run" {
    image   = image.tools
    command = ["report"]
  }
  retries = 3
}

policy "db" {
  to = [pod.db]
  allow {
    from  = [pod.api]
    ports = ["5432/tcp"]
  }
}

output "url" { value = "http://${node.m["a"].address}:8080" }
